# Cortex-M33 with its FPU (STM32U5, nRF53, RP2350).
set(CMAKE_SYSTEM_PROCESSOR cortex-m33)
set(OPTCORE_CPU "-mcpu=cortex-m33 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16")
set(OPTCORE_MACHINE mps2-an505)
set(OPTCORE_FLASH 0x10000000)
set(OPTCORE_RAM 0x38000000)
set(OPTCORE_MEMORY 0x200000)
include(${CMAKE_CURRENT_LIST_DIR}/bare_arm.cmake)
