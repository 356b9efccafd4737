/// Every member of the classes that a robot calls, instantiated: what this object asks of the
/// outside is what they may ever ask, on whatever path (check_symbols.sh).

#include "optcore/belief/discrete_filter.hpp"
#include "optcore/belief/joint.hpp"
#include "optcore/gp/likelihood.hpp"
#include "optcore/gp/model.hpp"
#include "optcore/gp/sparse.hpp"
#include "optcore/mpc/condensed.hpp"
#include "optcore/mpc/dense_qp.hpp"
#include "optcore/mpc/ocp_solver.hpp"

template class optcore::belief::DiscreteBayesFilter<float, 8>;
template class optcore::belief::DiscreteBayesFilter<float, 37>;
template class optcore::gp::Likelihood<float>;
template class optcore::gp::Model<float>;
template class optcore::gp::Sparse<float>;
template class optcore::mpc::CondensedController<float>;
template class optcore::mpc::DenseQp<float>;
template class optcore::mpc::OcpSolver<float, 4, 2>;
template class optcore::mpc::OcpSolver<float>;
