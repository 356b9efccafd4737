# A ROS 2 package: package.xml and its place in the index. ament writes a config file of its own,
# which leads to the same targets. colcon build --cmake-args -DOPTCORE_ROS=ON
find_package(ament_cmake REQUIRED)
ament_package(CONFIG_EXTRAS_POST ${CMAKE_CURRENT_LIST_DIR}/ros_targets.cmake)
