#include <pybind11/numpy.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <time.h>

#include <atomic>
#include <memory>
#include <thread>

#include "optcore/runtime/clock.hpp"
#include "optcore/runtime/load_record.hpp"
#include "runtime.hpp"

/// `LoadRun`: the loops of a load test, called by as many Python threads as there are users. A loop
/// in Python costs more than many a function under test, and sleeps 50 us too long.
namespace optcore::python {
namespace {

using runtime::Clock;
using runtime::LoadRecord;
using Arrivals = py::array_t<std::int64_t, py::array::c_style>;

constexpr std::int64_t slice = 50'000'000;        // ns of sleep after which stop() is seen
constexpr std::int64_t switch_every = 5'000'000;  // ns, the interpreter's own interval

/// The kernel may wake this thread up to 50 us late, to save power; not inside.
class ExactTimer {
 public:
#if defined(__linux__)
  ExactTimer() : before_(prctl(PR_GET_TIMERSLACK)) { prctl(PR_SET_TIMERSLACK, 1UL); }
  ~ExactTimer() { prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(before_)); }

 private:
  int before_;
#endif
};

class LoadRun {
 public:
  LoadRun(std::int64_t measured, std::int64_t end, int slots, std::int64_t timeout,
          py::object on_error)
      : record_(measured, end, slots), timeout_(timeout), on_error_(std::move(on_error)) {
    if (slots < 1 || end <= measured) throw py::value_error("need slots >= 1 and measured < end");
  }

  /// One user: calls until the end, `think` ns after the last answer or at once.
  void closed_loop(const py::object& function, const py::object& inputs, std::int64_t first,
                   std::int64_t stride, std::int64_t begin, std::int64_t think) {
    const ExactTimer exact;
    Call call(function, inputs);
    std::int64_t index = first;
    if (!wait_until(begin, 0)) return;
    std::int64_t due = Clock::system_ns(), yielded = due;
    while (!stopped() && due < record_.end()) {
      call.prepare(index);
      if (think > 0) {
        const bool waited = wait_until(due, 0);
        if (stopped() || !waited) return;
      } else if (inputs.is_none() == false) {
        due = Clock::system_ns();  // making the input is not part of the call
      }
      const std::int64_t start = think > 0 ? Clock::system_ns() : due;
      const End end = call.run(*this);
      const bool failed = end == End::error;
      const std::int64_t stop = Clock::system_ns();
      if (end == End::timeout || stop - due > timeout_) record_.count_timeout(due);
      if (think > 0) {
        record_.record(due, start, stop, true, failed);
      } else {
        record_.record(start, stop, failed);
      }
      index += stride;
      due = stop + think;
      if (stop - yielded > switch_every) {  // a native function never gives the lock up
        const py::gil_scoped_release others;
        yielded = stop;
      }
    }
  }

  /// One of several workers that share a list of start times; each call belongs to one of them.
  void open_loop(const py::object& function, const py::object& inputs, const Arrivals& arrivals,
                 std::int64_t begin, std::int64_t spin, std::int64_t give_up) {
    if (arrivals.ndim() != 1) throw py::value_error("arrivals must be 1-D");
    const ExactTimer exact;
    Call call(function, inputs);
    const auto* due_at = arrivals.data();
    const py::ssize_t n = arrivals.shape(0);
    while (!stopped()) {
      const py::ssize_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= n) return;
      const std::int64_t due = begin + due_at[i];
      call.prepare(i);
      const bool waited = Clock::system_ns() < due;
      if (waited && !wait_until(due, spin)) return;
      const std::int64_t start = Clock::system_ns();
      if (start > give_up) {
        record_.give_up(due, start);
        continue;
      }
      const End end = call.run(*this);
      const bool failed = end == End::error;
      const std::int64_t stop = Clock::system_ns();
      if (end == End::timeout || stop - due > timeout_) record_.count_timeout(due);
      record_.record(due, start, stop, waited, failed);
    }
  }

  void stop() noexcept { stop_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool stopped() const noexcept { return stop_.load(std::memory_order_relaxed); }
  LoadRecord& record() noexcept { return record_; }

 private:
  enum class End : std::uint8_t { ok, error, timeout };

  /// The function with its next arguments, called by vectorcall.
  class Call {
   public:
    Call(const py::object& function, const py::object& inputs)
        : function_(function), inputs_(inputs) {}

    void prepare(std::int64_t index) {
      if (inputs_.is_none()) return;
      py::object made = inputs_(index);
      arguments_ = py::isinstance<py::tuple>(made) ? py::reinterpret_borrow<py::tuple>(made)
                                                   : py::make_tuple(std::move(made));
    }

    End run(LoadRun& run) {
      PyObject* result = PyObject_Vectorcall(
          function_.ptr(), PySequence_Fast_ITEMS(arguments_.ptr()),
          static_cast<std::size_t>(PyTuple_GET_SIZE(arguments_.ptr())), nullptr);
      if (result != nullptr) {
        Py_DECREF(result);
        return End::ok;
      }
      py::error_already_set error;
      if (error.matches(PyExc_TimeoutError)) return End::timeout;
      if (!error.matches(PyExc_Exception)) {  // KeyboardInterrupt, SystemExit: the test ends
        run.stop();
        throw error;
      }
      run.on_error_(error.value());
      return End::error;
    }

   private:
    const py::object& function_;
    const py::object& inputs_;
    py::tuple arguments_;
  };

  /// Sleeps without the lock, the last `spin` ns awake; false when the run was stopped.
  bool wait_until(std::int64_t due, std::int64_t spin) {
    const py::gil_scoped_release others;
    std::int64_t now = Clock::system_ns();
    while (now < due - spin && !stopped()) {
      const std::int64_t to = due - spin < now + slice ? due - spin : now + slice;
      const timespec at = {static_cast<time_t>(to / 1'000'000'000),
                           static_cast<long>(to % 1'000'000'000)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
      now = Clock::system_ns();
    }
    while (now < due && !stopped()) now = Clock::system_ns();
    return !stopped();
  }

  LoadRecord record_;
  std::int64_t timeout_;
  py::object on_error_;
  std::atomic<bool> stop_{false};
  std::atomic<py::ssize_t> next_{0};
};

py::array_t<std::int64_t> heat_of(LoadRun& run) {
  const LoadRecord& record = run.record();
  py::array_t<std::int64_t> heat({record.slots(), LoadRecord::bins});
  auto out = heat.mutable_unchecked<2>();
  for (int i = 0; i < record.slots(); ++i) {
    for (int j = 0; j < LoadRecord::bins; ++j) out(i, j) = record.heat(i, j);
  }
  return heat;
}

py::dict totals_of(LoadRun& run) {
  const LoadRecord& record = run.record();
  py::dict totals;
  totals["finished"] = record.finished();
  totals["errors"] = record.errors();
  totals["timeouts"] = record.timeouts();
  totals["busy"] = record.busy();
  totals["unstarted"] = record.unstarted();
  return totals;
}

py::array_t<std::int64_t> bin_ends() {
  py::array_t<std::int64_t> ends(LoadRecord::bins);
  for (int j = 0; j < LoadRecord::bins; ++j) {
    ends.mutable_at(j) = runtime::Histogram::upper_of(((j + 1) << LoadRecord::bin_bits) - 1);
  }
  return ends;
}

}  // namespace

void bind_load(py::module_& m) {
  using Histogram = runtime::Histogram;
  const auto part = [](Histogram LoadRecord::*member) {
    return py::cpp_function([member](LoadRun& run) -> Histogram& { return run.record().*member; },
                            py::return_value_policy::reference_internal);
  };
  py::class_<LoadRun, std::unique_ptr<LoadRun>>(
      m, "LoadRun", "Loops of a load test and what they counted; ns of time.monotonic_ns.")
      .def(py::init<std::int64_t, std::int64_t, int, std::int64_t, py::object>(), py::kw_only(),
           py::arg("measured"), py::arg("end"), py::arg("slots"), py::arg("timeout"),
           py::arg("on_error"))
      .def("closed_loop", &LoadRun::closed_loop, py::arg("function"), py::arg("inputs"),
           py::kw_only(), py::arg("first"), py::arg("stride"), py::arg("begin"), py::arg("think"))
      .def("open_loop", &LoadRun::open_loop, py::arg("function"), py::arg("inputs"),
           py::arg("arrivals"), py::kw_only(), py::arg("begin"), py::arg("spin"),
           py::arg("give_up"))
      .def(
          "record",
          [](LoadRun& run, std::int64_t due, std::int64_t start, std::int64_t stop, bool waited,
             bool failed) { run.record().record(due, start, stop, waited, failed); },
          py::arg("due"), py::arg("start"), py::arg("stop"), py::arg("waited"), py::arg("failed"))
      .def(
          "give_up",
          [](LoadRun& run, std::int64_t due, std::int64_t now) { run.record().give_up(due, now); },
          py::arg("due"), py::arg("now"))
      .def(
          "count_timeout", [](LoadRun& run, std::int64_t due) { run.record().count_timeout(due); },
          py::arg("due"))
      .def("stop", &LoadRun::stop)
      .def_property_readonly("stopped", &LoadRun::stopped)
      .def_property_readonly("response", part(&LoadRecord::response))
      .def_property_readonly("service", part(&LoadRecord::service))
      .def_property_readonly("lag", part(&LoadRecord::lag))
      .def_property_readonly("wake_lag", part(&LoadRecord::wake_lag))
      .def("heat", &heat_of, "Calls by slot of time and bin of latency.")
      .def("totals", &totals_of)
      .def_static("bin_ends", &bin_ends, "Upper ends of the latency bins, ns.");
}

}  // namespace optcore::python
