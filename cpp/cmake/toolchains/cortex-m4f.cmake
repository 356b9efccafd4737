# Cortex-M4 with its single-precision FPU (STM32F4, nRF52).
set(CMAKE_SYSTEM_PROCESSOR cortex-m4)
set(OPTCORE_CPU "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16")
set(OPTCORE_MACHINE mps2-an386)
set(OPTCORE_FLASH 0x00000000)
set(OPTCORE_RAM 0x20000000)
set(OPTCORE_MEMORY 0x400000)
include(${CMAKE_CURRENT_LIST_DIR}/bare_arm.cmake)
