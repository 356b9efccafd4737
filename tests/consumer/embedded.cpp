#include <cmath>

#include "optcore/belief/categorical.hpp"
#include "optcore/core/matrix.hpp"

// Headers alone: Bayes' rule on numbers that live on this stack.
int main() {
  optcore::Vector<float, 2> belief{{std::log(0.8f), std::log(0.2f)}};
  const optcore::Vector<float, 2> likelihood{{std::log(0.1f), std::log(0.9f)}};
  if (optcore::failed(optcore::belief::update(belief.flat(), likelihood.flat()))) return 1;
  return std::abs(std::exp(belief[0]) - 0.08f / 0.26f) < 1e-6f ? 0 : 2;
}
