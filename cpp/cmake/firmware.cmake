# Bare-metal toolchain: Cortex-M7 with a single-precision FPU; programs run under QEMU (mps2-an500).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m7)

find_program(OPTCORE_ARM_GXX arm-none-eabi-g++)
if(NOT OPTCORE_ARM_GXX)
  message(FATAL_ERROR "optcore: no arm-none-eabi-g++; apt-get install gcc-arm-none-eabi "
    "libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm")
endif()
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # there is no start-up code to link with yet

# -fno-math-errno: else every square root is a library call instead of vsqrt.f32.
set(CMAKE_CXX_FLAGS_INIT "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16 \
-ffunction-sections -fdata-sections -fno-exceptions -fno-rtti -fno-threadsafe-statics \
-fno-use-cxa-atexit -fno-math-errno")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
find_program(OPTCORE_QEMU_ARM qemu-system-arm)
if(OPTCORE_QEMU_ARM)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${OPTCORE_QEMU_ARM};-M;mps2-an500;-icount;shift=0;-nographic;\
-semihosting-config;enable=on,target=native;-kernel")
endif()
