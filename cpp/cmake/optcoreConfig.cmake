include("${CMAKE_CURRENT_LIST_DIR}/optcoreTargets.cmake")
