/// Formats: ZIP by PKWARE's APPNOTE 6.3 (stored entries only), NPY by NumPy's NEP 1.

#include "optcore/host/gp_file.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>

namespace optcore::host {

namespace {

using Bytes = std::vector<unsigned char>;

constexpr int version = 2;

[[noreturn]] void refuse(const std::string& reason) { throw std::runtime_error(reason); }

Bytes read_all(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (file == nullptr) refuse("cannot be opened");
  Bytes bytes;
  std::array<unsigned char, 1 << 16> part;
  for (std::size_t got; (got = std::fread(part.data(), 1, part.size(), file.get())) > 0;) {
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return bytes;
}

/// Little-endian unsigned number of `size` bytes.
std::uint64_t number(const Bytes& bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) refuse("ends too early");
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[at + i];
  return value;
}

std::uint32_t crc32(const unsigned char* data, std::size_t size) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

/// One npy array, still in bytes.
struct Npy {
  std::string type;  // "<f8"
  std::vector<std::size_t> shape;
  Bytes data;

  std::size_t count() const {
    std::size_t total = 1;
    for (const std::size_t n : shape) total *= n;
    return total;
  }
  template <class Number>
  std::vector<Number> as(const char* wanted, const std::string& name) const {
    if (type != wanted) refuse(name + ": type " + type + ", not " + wanted);
    if (data.size() != count() * sizeof(Number)) refuse(name + ": size and shape differ");
    std::vector<Number> values(count());
    if (!values.empty()) std::memcpy(values.data(), data.data(), data.size());
    return values;
  }
};

Npy parse_npy(const Bytes& bytes, const std::string& name) {
  if (bytes.size() < 12 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    refuse(name + ": no npy array");
  }
  const std::size_t length_size = bytes[6] == 1 ? 2 : 4;
  const std::size_t start = 8 + length_size, length = number(bytes, 8, length_size);
  if (length > bytes.size() - start) refuse(name + ": ends too early");
  const std::string header(bytes.begin() + static_cast<std::ptrdiff_t>(start),
                           bytes.begin() + static_cast<std::ptrdiff_t>(start + length));
  const auto after = [&](const char* key) {
    const std::size_t at = header.find(key);
    if (at == std::string::npos) refuse(name + ": header without " + key);
    return at + std::strlen(key);
  };
  Npy npy;
  const std::size_t quote = header.find('\'', after("'descr':")) + 1;
  npy.type = header.substr(quote, header.find('\'', quote) - quote);
  std::size_t at = header.find('(', after("'shape':")) + 1;
  const std::size_t end = header.find(')', at);
  if (end == std::string::npos) refuse(name + ": header without a shape");
  while (at < end) {
    const std::size_t digits = header.find_first_of("0123456789", at);
    if (digits >= end) break;
    std::size_t used = 0;
    npy.shape.push_back(std::stoull(header.substr(digits, end - digits), &used));
    at = digits + used;
  }
  const bool by_columns = header.find("True", after("'fortran_order':")) != std::string::npos;
  if (by_columns && npy.shape.size() > 1) refuse(name + ": held by columns");
  npy.data.assign(bytes.begin() + static_cast<std::ptrdiff_t>(start + length), bytes.end());
  return npy;
}

/// The arrays of an npz file by name.
std::map<std::string, Npy> read_npz(const std::string& path) {
  const Bytes bytes = read_all(path);
  constexpr std::size_t tail = 22;
  if (bytes.size() < tail) refuse("too short for an npz file");
  std::size_t end = bytes.size() - tail;
  while (number(bytes, end, 4) != 0x06054b50) {
    if (end-- == 0) refuse("no npz file");
  }
  std::map<std::string, Npy> arrays;
  std::size_t at = number(bytes, end + 16, 4);
  for (std::uint64_t left = number(bytes, end + 10, 2); left > 0; --left) {
    if (number(bytes, at, 4) != 0x02014b50) refuse("damaged directory");
    const std::size_t name_size = number(bytes, at + 28, 2);
    const std::size_t local = number(bytes, at + 42, 4), size = number(bytes, at + 24, 4);
    static_cast<void>(number(bytes, at + 46, name_size > 8 ? 8 : name_size));
    if (name_size > bytes.size() - at - 46) refuse("ends too early");
    std::string name(reinterpret_cast<const char*>(&bytes[at + 46]), name_size);
    if (number(bytes, at + 10, 2) != 0) refuse(name + ": compressed; save() does not");
    const std::size_t start =
        local + 30 + number(bytes, local + 26, 2) + number(bytes, local + 28, 2);
    if (start > bytes.size() || size > bytes.size() - start) refuse(name + ": ends too early");
    if (crc32(bytes.data() + start, size) != number(bytes, at + 16, 4)) {
      refuse(name + ": checksum does not fit");
    }
    const Bytes entry(bytes.begin() + static_cast<std::ptrdiff_t>(start),
                      bytes.begin() + static_cast<std::ptrdiff_t>(start + size));
    const std::size_t dot = name.rfind(".npy");
    if (dot != std::string::npos) name.resize(dot);
    arrays[name] = parse_npy(entry, name);
    at += 46 + name_size + number(bytes, at + 30, 2) + number(bytes, at + 32, 2);
  }
  return arrays;
}

int to_int(std::size_t size) {
  if (size > 1u << 30) refuse("too large");
  return static_cast<int>(size);
}

SavedGp interpret(const std::map<std::string, Npy>& arrays) {
  const auto find = [&](const char* name) -> const Npy& {
    const auto found = arrays.find(name);
    if (found == arrays.end()) refuse(std::string("no array '") + name + "'");
    return found->second;
  };
  std::string format;
  for (const std::uint32_t letter :
       find("format").type == "<U10"
           ? Npy{"<U10", {10}, find("format").data}.as<std::uint32_t>("<U10", "format")
           : std::vector<std::uint32_t>{}) {
    format += static_cast<char>(letter);
  }
  if (format != "optcore.gp") refuse("not of format optcore.gp");
  const auto one = [](const auto& values, const char* name) {
    if (values.size() != 1) refuse(std::string(name) + ": need one number");
    return values[0];
  };
  const auto found = one(find("version").as<std::int64_t>("<i8", "version"), "version");
  if (found != version) {
    refuse("version " + std::to_string(found) + "; this optcore reads " + std::to_string(version));
  }
  SavedGp gp;
  const auto numbers = [&](const char* name) { return find(name).as<double>("<f8", name); };
  const Npy &X = find("X"), &Y = find("Y"), &nodes = find("nodes");
  if (X.shape.size() != 2 || Y.shape.size() != 2 || nodes.shape.size() != 2 ||
      X.shape[0] != Y.shape[0] || nodes.shape[1] != 5) {
    refuse("X, Y and nodes do not fit together");
  }
  gp.points = to_int(X.shape[0]);
  gp.dims = to_int(X.shape[1]);
  gp.outputs = to_int(Y.shape[1]);
  gp.X = numbers("X");
  gp.Y = numbers("Y");
  gp.noise = one(numbers("noise"), "noise");
  gp.parameters = numbers("parameters");
  gp.point_noise = numbers("point_noise");
  if (!gp.point_noise.empty() && gp.point_noise.size() != X.shape[0]) refuse("point_noise: size");
  gp.mean = numbers("mean");
  if (gp.mean.size() == 1) gp.mean.assign(Y.shape[1], gp.mean[0]);
  if (gp.mean.size() != Y.shape[1] && gp.mean.size() != Y.shape[1] * (1 + X.shape[1])) {
    refuse("mean: size");
  }
  const auto rows = nodes.as<std::int32_t>("<i4", "nodes");
  for (std::size_t i = 0; i < rows.size(); i += 5) {
    gp.nodes.push_back(
        {static_cast<KernelKind>(rows[i]), rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4]});
  }
  const bool fused = gp.nodes.size() == 1 && gp.nodes[0].kind <= KernelKind::matern52;
  if (fused && gp.parameters.size() != X.shape[1] + 1) refuse("parameters: size");
  return gp;
}

}  // namespace

GpHyperparameters SavedGp::hyper() const {
  const auto view = [](const std::vector<double>& v) -> VectorView<const double> {
    return {v.data(), static_cast<int>(v.size())};
  };
  GpHyperparameters hyper = {.noise = noise, .mean = view(mean), .point_noise = view(point_noise)};
  if (nodes.size() == 1 && nodes[0].kind <= KernelKind::matern52) {  // loops of its own
    hyper.family = static_cast<GpFamily>(nodes[0].kind);
    hyper.variance = parameters[0];
    hyper.length_scales = {parameters.data() + 1, dims};
  } else {
    hyper.family = GpFamily::composite;
    hyper.nodes = {nodes.data(), static_cast<int>(nodes.size())};
    hyper.parameters = view(parameters);
  }
  return hyper;
}

GaussianProcess SavedGp::process(int spare, bool with_inverse, Status& status) const {
  GaussianProcess gp(points + spare, dims, outputs, with_inverse,
                     static_cast<int>(parameters.size()));
  status = gp.fit(inputs(), values(), hyper());
  return gp;
}

GpFile read_gp(const std::string& path) {
  GpFile file;
  try {
    file.gp = interpret(read_npz(path));
  } catch (const std::exception& error) {
    file.reason = path + ": not a saved Gaussian process (" + error.what() + ")";
  }
  return file;
}

}  // namespace optcore::host
