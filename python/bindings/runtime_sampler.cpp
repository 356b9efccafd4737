#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "optcore/runtime/clock.hpp"
#include "optcore/runtime/stack_tree.hpp"
#include "optcore/runtime/thread_state.hpp"
#include "runtime.hpp"

/// `StackSampler`: a thread that looks at the Python stacks of the others now and then.
///
/// First, without the interpreter lock, the kernel says what each thread is at; then the lock is
/// asked for and the stacks are read. A sample stands for the time since the one before it. The
/// wait for the lock tells native code from Python's: a thread in the interpreter holds the lock
/// for one switch interval and gives it up at its next bytecode. CPU time is therefore `native` for
/// a thread that ran while the lock was free, that burnt well over a switch interval before giving
/// it up, or that runs on while the sampler has it; else `running`. The rest is what it waits for.
namespace optcore::python {
namespace {

using runtime::Activity;
using runtime::Clock;
using runtime::StackTree;
using runtime::ThreadWait;

constexpr int max_depth = 256;
constexpr double highest_share = 0.01;  // of one core that sampling may take

/// The interpreter's own lock lies in this variable: who waits there waits for it, not for a lock
/// of the program.
struct RuntimeVariable {
  std::uintptr_t begin = 0, end = 0;
  RuntimeVariable() {
    Dl_info info;
    const ElfW(Sym)* symbol = nullptr;
    void* address = dlsym(RTLD_DEFAULT, "_PyRuntime");
    if (address != nullptr &&
        dladdr1(address, &info, const_cast<void**>(reinterpret_cast<const void* const*>(&symbol)),
                RTLD_DL_SYMENT) != 0 &&
        symbol != nullptr) {
      begin = reinterpret_cast<std::uintptr_t>(address);
      end = begin + symbol->st_size;
    }
  }
  [[nodiscard]] bool holds(std::uintptr_t a) const noexcept { return begin <= a && a < end; }
};

unsigned long native_id_of([[maybe_unused]] PyThreadState* state) {
#if PY_VERSION_HEX >= 0x030B0000
  return state->native_thread_id;
#else
  return 0;  // not known: all time counts as running
#endif
}

class StackSampler {
 public:
  StackSampler(double interval_s, std::size_t max_nodes)
      : asked_interval_ns_(static_cast<std::int64_t>(interval_s * 1e9)),
        interval_ns_(asked_interval_ns_),
        max_nodes_(max_nodes) {
    if (!(interval_s >= 1e-4 && interval_s <= 60)) {
      throw py::value_error("interval must lie in [0.0001, 60] s");
    }
  }
  ~StackSampler() {
    stop();
    for (auto& [id, thread] : threads_) {
      for (const auto& node : thread.tree->nodes()) {
        Py_XDECREF(static_cast<PyObject*>(const_cast<void*>(node.code)));
      }
    }
  }

  void start() {
    if (worker_.joinable()) return;
    pid_ = ::getpid();
    stopping_ = false;
    const auto interval = py::module_::import("sys").attr("getswitchinterval")().cast<double>();
    switch_ns_ = static_cast<std::int64_t>(interval * 1e9);
    started_ns_ = last_ns_ = Clock::system_ns();
    note_threads();
    interpreter_ = PyInterpreterState_Get();
    worker_ = std::thread([this] { run(); });
  }

  void stop() {
    if (!worker_.joinable()) return;
    if (pid_ != ::getpid()) {  // forked: the thread exists in the parent alone
      worker_.detach();
      return;
    }
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    {
      py::gil_scoped_release release;
      worker_.join();
    }
    take_samples(PyThreadState_Get(), Clock::system_ns(), -1);  // the time since the last sample
    elapsed_ns_ += Clock::system_ns() - started_ns_;
  }

  /// [(thread id, native id, [(parent, code, line, samples, ns by activity)])]
  py::list result() const {
    py::list rows;
    for (const auto& [id, thread] : threads_) {
      py::list nodes;
      for (const auto& n : thread.tree->nodes()) {
        py::object code = n.code == nullptr
                              ? py::none()
                              : py::reinterpret_borrow<py::object>(
                                    static_cast<PyObject*>(const_cast<void*>(n.code)));
        nodes.append(
            py::make_tuple(n.parent, code, n.line, n.samples,
                           py::make_tuple(n.ns[0], n.ns[1], n.ns[2], n.ns[3], n.ns[4], n.ns[5])));
      }
      rows.append(py::make_tuple(id, thread.native_id, nodes));
    }
    return rows;
  }

  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] double cost_s() const { return static_cast<double>(cost_ns_) * 1e-9; }
  [[nodiscard]] double elapsed_s() const { return static_cast<double>(elapsed_ns_) * 1e-9; }
  [[nodiscard]] double interval_s() const { return static_cast<double>(interval_ns_) * 1e-9; }

 private:
  struct Thread {
    unsigned long native_id = 0;
    std::unique_ptr<StackTree> tree;
    std::int64_t seen_ns = 0, cpu_ns = -1;
    ThreadWait wait;
    std::int64_t cpu_now_ns = -1;
  };

  void run() {
    PyThreadState* own = PyThreadState_New(interpreter_);
    std::int64_t next = started_ns_ + interval_ns_;
    std::uint64_t random = 88172645463325252ULL;
    while (!wait_until(next)) {
      const std::int64_t begin = Clock::system_ns();
      const std::int64_t spent = own_cpu_ns();
      for (auto& [id, thread] : threads_) look(thread);
      const std::int64_t asked = Clock::system_ns();
      PyEval_RestoreThread(own);
      const std::int64_t got = Clock::system_ns();
      take_samples(own, got, got - asked);
      PyEval_SaveThread();
      const std::int64_t end = Clock::system_ns();
      cost_ns_ += own_cpu_ns() - spent;  // not the wall time: others may have had the processor
      // as seldom as the share of a core demands, but no more often than was asked for
      const auto dear = static_cast<std::int64_t>(static_cast<double>(cost_ns_) /
                                                  static_cast<double>(samples_) / highest_share);
      interval_ns_ = std::clamp<std::int64_t>(dear, asked_interval_ns_, 1'000'000'000);
      // a spread of a quarter keeps sampling from running in step with the program
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      const auto spread =
          static_cast<std::int64_t>(random % static_cast<std::uint64_t>(interval_ns_ / 2 + 1));
      next = std::max(begin + interval_ns_ * 3 / 4 + spread, end + interval_ns_ / 4);
    }
    PyEval_RestoreThread(own);
    PyThreadState_Clear(own);
    PyThreadState_DeleteCurrent();
  }

  static std::int64_t own_cpu_ns() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }

  bool wait_until(std::int64_t when) {
    std::unique_lock lock(mutex_);
    const auto delay =
        std::chrono::nanoseconds(std::max<std::int64_t>(when - Clock::system_ns(), 0));
    return wake_.wait_for(lock, delay, [this] { return stopping_; });
  }

  void look(Thread& thread) const {
    const std::int64_t before = thread.cpu_now_ns;
    thread.cpu_now_ns = runtime::thread_cpu_ns(thread.native_id);
    if (before >= 0 && before == thread.cpu_now_ns) return;  // has not run: waits as it did
    // A thread that was on the CPU nearly all the time is not asked what it waits for.
    const std::int64_t cpu = thread.cpu_now_ns - thread.cpu_ns;
    const std::int64_t wall = Clock::system_ns() - thread.seen_ns;
    thread.wait = cpu * 10 > wall * 9 ? ThreadWait{ThreadWait::Kind::running, 0}
                                      : runtime::thread_wait(thread.native_id);
  }

  void note_threads() {
    for (PyThreadState* t = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); t != nullptr;
         t = PyThreadState_Next(t)) {
      Thread& thread = threads_[t->thread_id];
      if (thread.tree == nullptr) thread.tree = std::make_unique<StackTree>(max_nodes_);
      thread.native_id = native_id_of(t);
      thread.seen_ns = Clock::system_ns();
      thread.cpu_ns = runtime::thread_cpu_ns(thread.native_id);
    }
  }

  /// @param lock_wait ns that the interpreter lock was waited for; negative: it was ours.
  void take_samples(PyThreadState* own, std::int64_t now, std::int64_t lock_wait) {
    ++samples_;
    last_ns_ = now;
    int running = 0;
    for (const auto& [id, thread] : threads_) {
      running += thread.wait.kind == ThreadWait::Kind::running ? 1 : 0;
    }
    for (PyThreadState* t = PyInterpreterState_ThreadHead(interpreter_); t != nullptr;
         t = PyThreadState_Next(t)) {
      if (t == own && worker_.joinable()) continue;
      Thread& thread = threads_[t->thread_id];
      if (thread.tree == nullptr) {
        thread.tree = std::make_unique<StackTree>(max_nodes_);
        thread.native_id = native_id_of(t);
        thread.seen_ns = now - interval_ns_;
      }
      charge(thread, t, now, lock_wait, running > 1);
    }
  }

  /// Whether a thread that was on the CPU was outside the interpreter.
  [[nodiscard]] bool in_native(const Thread& thread, std::int64_t cpu_now, std::int64_t lock_wait,
                               bool others_run) const {
    if (lock_wait < 0 || thread.wait.kind != ThreadWait::Kind::running) return false;
    if (lock_wait < switch_ns_ / 2) return true;
    if (cpu_now - thread.cpu_now_ns > switch_ns_ * 8 / 5) return true;
    if (!others_run) return false;
    const ThreadWait still = runtime::thread_wait(thread.native_id);
    return still.kind == ThreadWait::Kind::running;
  }

  void charge(Thread& thread, PyThreadState* state, std::int64_t now, std::int64_t lock_wait,
              bool others_run) {
    const std::uint32_t node = walk(*thread.tree, state);
    const std::int64_t wall = std::max<std::int64_t>(now - thread.seen_ns, 0);
    const std::int64_t cpu_now = runtime::thread_cpu_ns(thread.native_id);
    std::int64_t cpu = wall;
    if (cpu_now >= 0) {
      cpu = thread.cpu_ns < 0 ? 0 : std::clamp<std::int64_t>(cpu_now - thread.cpu_ns, 0, wall);
    }
    using Kind = ThreadWait::Kind;
    const ThreadWait& wait = thread.wait;
    const bool for_interpreter = wait.kind == Kind::futex && runtime_.holds(wait.address);
    const std::int64_t idle = wall - cpu;
    const bool native = in_native(thread, cpu_now, lock_wait, others_run);
    const Activity busy = native ? Activity::native : Activity::running;
    if (cpu > 0) thread.tree->add(node, busy, cpu);
    if (idle > wall / 20) {
      Activity activity = busy;  // ready, but other programs had the processor
      if (for_interpreter) activity = Activity::interpreter_lock;
      if (wait.kind == Kind::futex && !for_interpreter) activity = Activity::lock;
      if (wait.kind == Kind::sleep) activity = Activity::sleep;
      if (wait.kind == Kind::io) activity = Activity::io;
      thread.tree->add(node, activity, idle);
    } else if (idle > 0) {
      thread.tree->add(node, busy, idle);
    }
    thread.seen_ns = now;
    thread.cpu_ns = cpu_now;
  }

  static std::uint32_t walk(StackTree& tree, PyThreadState* state) {
    std::array<std::pair<PyCodeObject*, int>, max_depth> frames;
    int depth = 0;
    PyFrameObject* frame = PyThreadState_GetFrame(state);
    while (frame != nullptr && depth < max_depth) {
      frames[static_cast<std::size_t>(depth++)] = {PyFrame_GetCode(frame),
                                                   PyFrame_GetLineNumber(frame)};
      PyFrameObject* back = PyFrame_GetBack(frame);
      Py_DECREF(reinterpret_cast<PyObject*>(frame));
      frame = back;
    }
    Py_XDECREF(reinterpret_cast<PyObject*>(frame));
    std::uint32_t node = 0;
    for (int i = depth - 1; i >= 0; --i) {
      auto& [code, line] = frames[static_cast<std::size_t>(i)];
      bool made = false;
      node = tree.child(node, code, line, made);
      if (!made) Py_DECREF(reinterpret_cast<PyObject*>(code));  // else the tree keeps it
    }
    return node;
  }

  std::int64_t asked_interval_ns_, interval_ns_, switch_ns_ = 5'000'000;
  std::size_t max_nodes_;
  pid_t pid_ = 0;
  PyInterpreterState* interpreter_ = nullptr;
  std::thread worker_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::int64_t started_ns_ = 0, last_ns_ = 0, elapsed_ns_ = 0, cost_ns_ = 0, samples_ = 0;
  std::map<unsigned long, Thread> threads_;
  RuntimeVariable runtime_;
};

}  // namespace

void bind_sampler(py::module_& m) {
  py::class_<StackSampler>(m, "StackSampler", "A thread that samples the Python stacks.")
      .def(py::init<double, std::size_t>(), py::arg("interval"), py::arg("max_nodes") = 200'000)
      .def("start", &StackSampler::start)
      .def("stop", &StackSampler::stop)
      .def("result", &StackSampler::result,
           "[(thread, native id, nodes)], a node being (parent, code, line, samples, ns by "
           "activity), once stopped.")
      .def_property_readonly("samples", &StackSampler::samples)
      .def_property_readonly("cost", &StackSampler::cost_s, "s spent on sampling")
      .def_property_readonly("elapsed", &StackSampler::elapsed_s, "s between start and stop")
      .def_property_readonly("interval", &StackSampler::interval_s, "s, stretched when too dear");
  m.attr("activities") =
      py::make_tuple("running", "native", "lock", "sleep", "io", "interpreter_lock");
}

}  // namespace optcore::python
