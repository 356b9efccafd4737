# Cortex-M55: floating point in half, single and double precision.
set(CMAKE_SYSTEM_PROCESSOR cortex-m55)
set(OPTCORE_CPU "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard")
set(OPTCORE_MACHINE mps3-an547)
set(OPTCORE_FLASH 0x00000000)
set(OPTCORE_RAM 0x20000000)
set(OPTCORE_MEMORY 0x80000)
include(${CMAKE_CURRENT_LIST_DIR}/bare_arm.cmake)
