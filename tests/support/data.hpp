#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace optcore::support {

/// Path of a file of the shared test data (OPTCORE_DATA, else ../shared/data beside the
/// repository), or an empty string when it is absent; the test then skips and says so.
inline std::string data_file(const std::string& relative) {
  const char* root = std::getenv("OPTCORE_DATA");
  const std::filesystem::path base =
      root != nullptr ? std::filesystem::path(root)
                      : std::filesystem::path(OPTCORE_SOURCE_DIR) / ".." / "shared" / "data";
  const auto path = base / relative;
  return std::filesystem::exists(path) ? path.string() : std::string();
}

}  // namespace optcore::support
