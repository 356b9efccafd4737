# Bare-metal Arm, for the toolchain files of one processor each, which set beforehand:
#   OPTCORE_CPU      compiler flags of the processor and its FPU
#   OPTCORE_MACHINE  QEMU's board for the tests
#   OPTCORE_FLASH, OPTCORE_RAM, OPTCORE_MEMORY  where its memories begin, and the size of each
set(CMAKE_SYSTEM_NAME Generic)

find_program(OPTCORE_ARM_GXX arm-none-eabi-g++)
if(NOT OPTCORE_ARM_GXX)
  message(FATAL_ERROR "optcore: no arm-none-eabi-g++; apt-get install gcc-arm-none-eabi "
    "libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm")
endif()
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # there is no start-up code yet to link with

# -fno-math-errno: else every square root is a library call instead of vsqrt.f32.
set(CMAKE_C_FLAGS_INIT "${OPTCORE_CPU} -ffunction-sections -fdata-sections")
set(CMAKE_CXX_FLAGS_INIT "${OPTCORE_CPU} -ffunction-sections -fdata-sections -fno-exceptions \
-fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit -fno-math-errno")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
find_program(OPTCORE_QEMU qemu-system-arm)
if(OPTCORE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${OPTCORE_QEMU};-M;${OPTCORE_MACHINE};-icount;shift=0;\
-nographic;-semihosting-config;enable=on,target=native;-kernel")
endif()
