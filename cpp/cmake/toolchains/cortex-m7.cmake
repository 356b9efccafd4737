# Cortex-M7 with a single-precision FPU (STM32F7, STM32H7): the reference.
set(CMAKE_SYSTEM_PROCESSOR cortex-m7)
set(OPTCORE_CPU "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16")
set(OPTCORE_MACHINE mps2-an500)
set(OPTCORE_FLASH 0x00000000)
set(OPTCORE_RAM 0x20000000)
set(OPTCORE_MEMORY 0x400000)
include(${CMAKE_CURRENT_LIST_DIR}/bare_arm.cmake)
