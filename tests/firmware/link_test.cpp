/// The headers of optcore::core in single precision on bare metal; the exit status is the number
/// of the first check that failed. Numbers are compared with ones worked out by hand.

#include "optcore/belief/categorical.hpp"
#include "optcore/core/arena.hpp"
#include "optcore/core/matrix.hpp"
#include "optcore/core/simd.hpp"
#include "optcore/core/simd_math.hpp"

namespace {

using optcore::failed;
using optcore::VectorView;

bool near(float got, float expected) { return optcore::abs(got - expected) < 1e-6f; }

/// Priors 0.8 and 0.2, likelihoods 0.1 and 0.9: the posterior is 0.08 / 0.26.
bool belief_follows_bayes_rule() {
  optcore::Vector<float, 2> belief{{optcore::log(0.8f), optcore::log(0.2f)}};
  const optcore::Vector<float, 2> likelihood{{optcore::log(0.1f), optcore::log(0.9f)}};
  float evidence = 0;
  return !failed(optcore::belief::update(belief.flat(), likelihood.flat(), &evidence)) &&
         near(optcore::exp(belief[0]), 0.08f / 0.26f) && near(evidence, optcore::log(0.26f));
}

bool arena_cuts_and_refuses() {
  alignas(64) static unsigned char memory[256];
  optcore::Arena arena(memory, sizeof memory);
  const VectorView<float> a = arena.vector<float>(3);
  const auto m = arena.matrix<float>(4, 4);
  if (a.data == nullptr || m.data == nullptr || arena.overflowed()) return false;
  m(3, 3) = 5;
  return near(m.data[15], 5) && arena.vector<float>(64).data == nullptr && arena.overflowed();
}

/// One lane on a microcontroller: Pack is the scalar itself.
bool packs_compute() {
  using P = optcore::Pack<float>;
  static_assert(P::lanes == 1 || OPTCORE_VECTOR_BYTES > 0);
  float x[P::lanes];
  for (float& lane : x) lane = 3;
  return near(sum(fma(P::load(x), P::broadcast(2), P::broadcast(1))), 7.0f * P::lanes);
}

}  // namespace

int main() {
  if (!belief_follows_bayes_rule()) return 1;
  if (!arena_cuts_and_refuses()) return 2;
  if (!packs_compute()) return 3;
  return 0;
}
