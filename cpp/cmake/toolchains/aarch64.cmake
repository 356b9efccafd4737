# 64-bit Arm under Linux (Raspberry Pi, Jetson), programs run by qemu-aarch64 where this is another
# machine.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
find_program(OPTCORE_AARCH64_GXX aarch64-linux-gnu-g++)
if(NOT OPTCORE_AARCH64_GXX)
  message(FATAL_ERROR "optcore: no aarch64-linux-gnu-g++; apt-get install g++-aarch64-linux-gnu "
    "qemu-user")
endif()
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
find_program(OPTCORE_QEMU qemu-aarch64)
if(OPTCORE_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${OPTCORE_QEMU};-L;/usr/aarch64-linux-gnu")
endif()
