# Read at the end of ament's optcoreConfig.cmake: the targets of the plain CMake package.
include("${optcore_DIR}/../../../lib/cmake/optcore/optcoreConfig.cmake")
