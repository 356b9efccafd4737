// What scripts/check_isa_symbols.sh must find: a weak symbol outside the instruction set's
// namespace.

namespace optcore {

[[gnu::noinline]] inline double leaked_to_everybody(double x) { return x * x + 1; }

double caller(double x) { return leaked_to_everybody(x); }

}  // namespace optcore
