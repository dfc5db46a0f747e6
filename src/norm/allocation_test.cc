// After its first call on a thread, no call of a Normalization allocates.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <thread>
#include <tuple>

#include "normkit/core/threads.h"
#include "src/core/count_allocations.h"
#include "src/core/parallel.h"
#include "src/core/refuse_malloc.h"
#include "src/norm/case_data.h"
#include "src/norm/choose.h"
#include "src/norm/cpu/wanted_schedule.h"

namespace normkit {
namespace {

using cases::Case;
using cases::Problem;

// One normalization with all its arrays.
class Calls {
 public:
  explicit Calls(const Problem& p, const NormOptions& options = {})
      : p_(p),
        norm_(p.test.spec, p.test.layout, p.test.dtype, options),
        y_(p.test.layout, p.test.dtype),
        dx_(p.test.layout, p.test.dtype),
        dgamma_(p.gamma_tensor.Clone()),
        dbeta_(p.gamma_tensor.Clone()),
        given_(Layout({{kC, norm_.num_statistics()}}), ParameterDType(p.test.dtype)),
        mean_(static_cast<size_t>(norm_.num_statistics())),
        rstd_(mean_) {}

  std::string Bytes() const {
    std::string bytes;
    for (const Tensor* t : {&y_, &dx_, &dgamma_, &dbeta_})
      bytes.append(static_cast<const char*>(t->data()), t->bytes());
    return bytes;
  }

  void AllForward(bool with_parameters = true) {
    const void* gamma = with_parameters ? p_.gamma_tensor.data() : nullptr;
    const void* beta = with_parameters ? p_.beta_tensor.data() : nullptr;
    norm_.ForwardTraining(p_.x_tensor.data(), gamma, beta, y_.data(), {mean_.data(), rstd_.data()});
    norm_.ForwardTraining(p_.x_tensor.data(), gamma, beta, y_.data(), {});
    norm_.ForwardInference(p_.x_tensor.data(), gamma, beta, given_.data(), given_.data(),
                           y_.data());
  }
  void All(bool with_parameters) {
    AllForward(with_parameters);
    const void* gamma = with_parameters ? p_.gamma_tensor.data() : nullptr;
    const void* beta = with_parameters ? p_.beta_tensor.data() : nullptr;
    Normalization::BackwardArgs args{.x = p_.x_tensor.data(),
                                     .dy = p_.dy_tensor.data(),
                                     .gamma = gamma,
                                     .beta = beta,
                                     .mean = mean_.data(),
                                     .rstd = rstd_.data(),
                                     .dx = dx_.data(),
                                     .dgamma = dgamma_.data(),
                                     .dbeta = dbeta_.data()};
    norm_.Backward(args);
    args.dx = nullptr;
    norm_.Backward(args);
  }
  void Forward(bool saves) {
    SavedStatistics saved{};
    if (saves) saved = {mean_.data(), rstd_.data()};
    norm_.ForwardTraining(p_.x_tensor.data(), p_.gamma_tensor.data(), p_.beta_tensor.data(),
                          y_.data(), saved);
  }
  void Backward(bool with_parameters = true) {
    norm_.Backward({.x = p_.x_tensor.data(),
                    .dy = p_.dy_tensor.data(),
                    .gamma = with_parameters ? p_.gamma_tensor.data() : nullptr,
                    .beta = with_parameters ? p_.beta_tensor.data() : nullptr,
                    .mean = mean_.data(),
                    .rstd = rstd_.data(),
                    .dx = dx_.data(),
                    .dgamma = dgamma_.data(),
                    .dbeta = dbeta_.data()});
  }
  void BackwardFromY() {
    norm_.Backward({.dy = p_.dy_tensor.data(),
                    .gamma = p_.gamma_tensor.data(),
                    .beta = p_.beta_tensor.data(),
                    .rstd = rstd_.data(),
                    .dx = dx_.data(),
                    .dgamma = dgamma_.data(),
                    .dbeta = dbeta_.data(),
                    .y = y_.data()});
  }

 private:
  const Problem& p_;
  Normalization norm_;
  Tensor y_, dx_, dgamma_, dbeta_, given_;
  std::vector<double> mean_, rstd_;
};

// Calls `task` once on each thread of the pool, one after the other: which of them a later call
// gives work to is chance.
template <class Task>
void OnEachThread(const Task& task) {
  std::atomic<int64_t> here{0}, turn{0};
  const int64_t threads = NumThreads();
  ParallelFor(threads, true, [&](int64_t) {
    const int64_t mine = here++;
    while (here < threads || turn < mine) std::this_thread::yield();
    task();
    ++turn;
  });
}

std::vector<Case> Small() {
  std::vector<Case> result;
  for (DType dtype : cases::kDTypes)
    for (Case& test : cases::AllCases(dtype, {.b = 2, .t = 3, .s = 5, .c = 18}))
      result.push_back(std::move(test));
  return result;
}

// Enough for threads.
std::vector<Case> Large() {
  std::vector<Case> result;
  for (const NormSpec& spec : NormSpecs()) {
    for (const char* format : {"BCS", "BSC", "BC"}) {
      const Layout layout = cases::MakeLayout(format, {.b = 150, .s = 20, .c = 64});
      result.push_back({spec, cases::InGroups(spec, layout, 4)});
    }
  }
  return result;
}

// What `task` asks for on a thread that has nothing yet.
template <class Task>
int64_t Asked(const Task& task) {
  int64_t asked = 0;
  std::thread([&] {
    const int64_t before = allocated_bytes;
    task();
    asked = allocated_bytes - before;
  }).join();
  return asked;
}

class Allocation : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { SetNumThreads(GetParam()); }
  void TearDown() override { SetNumThreads(0); }
};
INSTANTIATE_TEST_SUITE_P(Norm, Allocation, testing::Values(1, 2),
                         [](const auto& threads) { return std::to_string(threads.param); });

TEST_P(Allocation, NothingAfterTheFirstCall) {
  for (const Case& test : GetParam() == 1 ? Small() : Large()) {
    const Problem p(test);
    Calls plain(p), relu(p, {.activation = Activation::kRelu});
    Calls silu(p, {.activation = Activation::kSilu});
    const auto all = [&] {
      for (Calls* calls : {&plain, &relu, &silu})
        for (bool with_parameters : {false, true}) calls->All(with_parameters);
    };
    OnEachThread(all);
    const int64_t before = allocated_bytes;
    all();
    ASSERT_EQ(allocated_bytes, before) << test.ToString();
  }
}

// What long rows and few rows of many channels ask for where no parameter is given and no gradient
// of one wanted, on a thread that has nothing yet.
TEST_P(Allocation, NothingThatGrowsWithXForParametersThatAreNotGiven) {
  constexpr int64_t kMost = 4 << 20;  // bytes; x has 32 MiB of f32
  constexpr int64_t kColumns = 1 << 23;
  const auto rows = [](int64_t b) { return cases::MakeLayout("BC", {.b = b, .c = kColumns / b}); };
  const Layout pairs = cases::MakeLayout("BCS", {.b = 1, .s = 2, .c = kColumns / 2});
  for (const auto& [spec, layout, fused] : {std::tuple{kLayerNorm, rows(1), false},
                                            {kRmsNorm, rows(1), false},
                                            {kLayerNorm, rows(4), false},
                                            {kRmsNorm, rows(2), true},
                                            {kLayerNorm, rows(4), true},
                                            {kLayerNorm, pairs, false},
                                            {kLayerNorm, pairs, true}})
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      norm::cpu::WantSchedule({.fused = fused});
      const Problem p({spec, layout, dtype});
      const Normalization norm(spec, layout, dtype);
      Tensor y(layout, dtype), dx(layout, dtype);
      std::vector<double> mean(static_cast<size_t>(norm.num_statistics())), rstd(mean);
      int64_t asked = 0;
      std::thread([&] {
        const int64_t before = allocated_bytes;
        const SavedStatistics saved{mean.data(), rstd.data()};
        norm.ForwardTraining(p.x_tensor.data(), nullptr, nullptr, y.data(), saved);
        norm.ForwardTraining(p.x_tensor.data(), p.gamma_tensor.data(), nullptr, y.data(), saved);
        norm.Backward({.x = p.x_tensor.data(),
                       .dy = p.dy_tensor.data(),
                       .mean = mean.data(),
                       .rstd = rstd.data(),
                       .dx = dx.data()});
        asked = allocated_bytes - before;
      }).join();
      EXPECT_LE(asked, kMost) << p.test.ToString();
    }
  norm::cpu::WantSchedule({});
}

// Sums of parameters, of many more than a task's, go where they belong slice by slice; on a thread
// that has nothing yet.
TEST_P(Allocation, SumsOfParametersDoNotGrowWithThem) {
  constexpr int64_t kMost = 3 << 20;  // bytes; sums of all would be 8 MiB, of f64 24 MiB and more
  const Layout rows = cases::MakeLayout("BC", {.b = 2, .c = 1 << 19});
  const Layout sequences = cases::MakeLayout("BTC", {.b = 2, .t = 16, .c = 1 << 15});
  const Layout maps = cases::MakeLayout("BCS", {.b = 2, .s = 1 << 13, .c = 64});
  const Layout places = cases::MakeLayout("BSC", {.b = 2, .s = 1 << 13, .c = 64});
  for (const DType dtype : {DType::kF32, DType::kF64})
    for (const Case& test : {Case{kLayerNorm, rows, dtype},
                             {kRmsNorm, sequences, dtype, kT | kC},
                             {kInstanceNorm, maps, dtype, kC | kS},
                             {kInstanceNorm, maps, dtype, kB | kC | kS},
                             {kRmsNorm, places, dtype, kC | kS},
                             {kLayerNormChannelOnly, maps, dtype, kC | kS}}) {
      const Problem p(test);
      Calls calls(p, test.Options());
      calls.All(true);  // what the threads of the pool keep, and the statistics
      EXPECT_LE(Asked([&] { calls.Backward(); }), kMost) << test.ToString();
    }
}

// Nor those of the cells of very many channels, with what belongs to them, however many threads
// there are.
TEST_P(Allocation, SumsOfCellsAreKeptForSomeParameters) {
  // Bytes: 2^18 cells of 16, of 2^14 those of chunks and of parameters of f64 with what rounding
  // takes of them, two numbers of f64 for each of 2^16 parameters. All cells would be 16 MiB, and
  // as much twice more.
  constexpr int64_t kMost = ((1 << 18) + (1 << 14) + (2 << 14) + (1 << 16)) * 16 + (1 << 16);
  constexpr int64_t kCells = 1 << 20;
  const Layout one = cases::MakeLayout("BCS", {.b = 1, .s = 2, .c = kCells});
  const Layout two = cases::MakeLayout("BCS", {.b = 2, .s = 2, .c = kCells / 2});
  const Layout maps = cases::MakeLayout("BCS", {.b = kCells / 512, .s = 2, .c = 512});
  const Layout fused = cases::MakeLayout("BCS", {.b = 2, .s = 2, .c = kCells + 8});
  if (GetParam() > 1) SetNumThreads(16);
  for (const DType dtype : {DType::kF32, DType::kF64})
    for (const Case& test : {Case{kLayerNorm, one, dtype},
                             {kLayerNorm, two, dtype},
                             {kLayerNorm, fused, dtype},
                             {kGroupNorm, two.SplitChannels(2), dtype},
                             {kBatchNorm, maps, dtype, kB | kC}}) {
      norm::cpu::WantSchedule({.fused = test.layout == fused});
      const Problem p(test);
      Calls calls(p, test.Options());
      calls.All(true);  // the statistics
      for (const bool with_parameters : {true, false}) {
        const auto backward = [&] { calls.Backward(with_parameters); };
        OnEachThread(backward);
        EXPECT_LE(Asked(backward), kMost)
            << test.ToString() << (with_parameters ? "" : " without parameters");
      }
      if (dtype == DType::kF64) continue;
      // From y four numbers for each of the 2^14 cells that are taken at a time besides.
      calls.Forward(true);
      const auto from_y = [&] { calls.BackwardFromY(); };
      OnEachThread(from_y);
      EXPECT_LE(Asked(from_y), kMost + (4 << 14) * 8) << test.ToString();
    }
  norm::cpu::WantSchedule({});
}

// Of cells of one element and of two, columns with a parameter each, no table, sum or moments but
// of some are kept; nor, where a few rows of them are gone back from y.
TEST_P(Allocation, ColumnsOfFewRowsAreTakenSomeAtATime) {
  // Bytes: in each pass 4 parts a thread of 2^13 cells of 16, of 2^13 six coefficients of f64 and
  // the sums of parameters with what rounding takes of them, two numbers of f64 for each of 2^16
  // parameters, some of f64 for the columns of a task. Of each of 9 * 2^17 cells 16 would be 18
  // MiB.
  constexpr int64_t kMost = (2 + 1) * (1 << 16) * 16 + ((6 + 4) << 13) * 8 + (1 << 18);
  constexpr int64_t kAll = 9 << 17;
  const Layout pairs = cases::MakeLayout("BC", {.b = kAll / 2, .c = 2});
  const Layout rows = cases::MakeLayout("BSC", {.b = 2, .s = kAll / 64, .c = 64});
  const Layout units = cases::MakeLayout("BSC", {.b = kAll / 4, .s = 2, .c = 4});
  for (const DType dtype : {DType::kF32, DType::kF64})
    for (const Case& test : {Case{kBatchNorm, pairs, dtype, kB | kC},
                             {kBatchNorm, rows, dtype, kS | kC},
                             {kBatchNorm, units, dtype, kB | kC}}) {
      const Problem p(test);
      Calls calls(p, test.Options());
      for (const bool with_parameters : {true, false}) {
        const auto all = [&] { calls.All(with_parameters); };
        OnEachThread(all);
        EXPECT_LE(Asked(all), kMost)
            << test.ToString() << (with_parameters ? "" : " without parameters");
      }
      calls.Forward(true);
      const auto from_y = [&] { calls.BackwardFromY(); };
      OnEachThread(from_y);
      EXPECT_LE(Asked(from_y), kMost) << test.ToString();
    }
  // Slabs: of 2^14 cells and as many of 256 KiB, two numbers and more of f64 of each array.
  constexpr int64_t kSlab = (int64_t{128} << 15) + (1 << 16);
  const Layout few = cases::MakeLayout("BC", {.b = 2, .c = kAll});
  const Problem p(Case{kBatchNorm, few});
  Calls calls(p);
  calls.Forward(true);
  const auto from_y = [&] { calls.BackwardFromY(); };
  OnEachThread(from_y);
  EXPECT_LE(Asked(from_y), kSlab);
}

// Statistics that are not saved are kept for a task, as is what passes back through those of short
// rows. They change no bit of y.
TEST_P(Allocation, StatisticsOfManyRowsAndChannelsAreKeptForATask) {
  constexpr int64_t kMost = 4 << 20;  // bytes; all statistics would be 8 MiB
  const Layout rows = cases::MakeLayout("BC", {.b = 1 << 19, .c = 4});
  const Layout channels = cases::MakeLayout("BC", {.b = 2, .c = 1 << 19});
  const Layout planes = cases::MakeLayout("BCS", {.b = 1 << 13, .s = 4, .c = 64});
  const Layout columns = cases::MakeLayout("BSC", {.b = 1 << 13, .s = 4, .c = 64});
  for (const DType dtype : {DType::kF32, DType::kF64})
    for (const Case& test : {Case{kLayerNorm, rows, dtype},
                             {kRmsNorm, rows, dtype},
                             {kBatchNorm, channels, dtype},
                             {kInstanceNorm, planes, dtype},
                             {kInstanceNorm, columns, dtype}}) {
      const Problem p(test);
      Calls calls(p);
      calls.All(true);
      calls.Forward(true);
      const std::string expected = calls.Bytes();
      EXPECT_LE(Asked([&] { calls.Forward(false); }), kMost) << test.ToString();
      EXPECT_TRUE(calls.Bytes() == expected) << test.ToString();
      // Slabs that share parameters keep sums of cells besides.
      const int64_t sums = test.layout.format() == "BC" ? 0 : 4 << 20;
      EXPECT_LE(Asked([&] { calls.Backward(); }), kMost + sums) << test.ToString();
    }
}

// Statistics, cells and ones of as few as one value each: calls go by slabs, and keep what those
// do.
TEST_P(Allocation, StatisticsOfFewValuesAreKeptForASlab) {
  constexpr int64_t kMost = 10 << 20;  // bytes; of each statistic and cell it would be 24 MiB to 56
  constexpr int64_t kAll = 1 << 21;
  const Layout one = cases::MakeLayout("BC", {.b = kAll, .c = 1});
  const Layout planes = cases::MakeLayout("BCS", {.b = kAll / 256, .s = 4, .c = 64});
  const Layout columns = cases::MakeLayout("BSC", {.b = kAll / 256, .s = 4, .c = 64});
  const Layout pairs = cases::MakeLayout("BSC", {.b = kAll / 128, .s = 2, .c = 64});
  const Layout channels = cases::MakeLayout("BC", {.b = 2, .c = kAll / 2});
  const Layout large = cases::MakeLayout("BCS", {.b = kAll / 65536, .s = 2, .c = 65536});
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const Case& test : {Case{kRmsNorm, one, dtype},
                             {kInstanceNorm, planes, dtype},
                             {kInstanceNorm, planes, dtype, kB | kC},
                             {kInstanceNorm, columns, dtype},
                             {kGroupNorm, pairs.SplitChannels(32), dtype},
                             {kGroupNorm, large.SplitChannels(1), dtype},
                             {kBatchNorm, channels, dtype},
                             {kBatchNorm, channels, dtype, kB | kC},
                             {kInstanceNorm, channels, dtype},
                             {kGroupNorm, channels.SplitChannels(kAll / 4), dtype},
                             {kInstanceNorm, planes, dtype, kC | kS}}) {
      const Problem p(test);
      Calls calls(p, test.Options());
      for (const bool with_parameters : {true, false}) {
        calls.All(with_parameters);  // what the threads of the pool keep
        EXPECT_LE(Asked([&] { calls.All(with_parameters); }), kMost)
            << test.ToString() << (with_parameters ? "" : " without parameters");
      }
    }
  // In 8 bits.
  for (const Case& test : {Case{kRmsNorm, one},
                           {kLayerNorm, cases::MakeLayout("BC", {.b = kAll / 4, .c = 4})},
                           {kBatchNorm, channels},
                           {kInstanceNorm, pairs},
                           {kInstanceNorm, planes}})
    for (const OutputType output : {OutputType::kInt8, OutputType::kFloat8E4M3}) {
      const Problem p(test);
      Calls calls(p, {.output = output});
      calls.AllForward();
      EXPECT_LE(Asked([&] { calls.AllForward(); }), 2 << 20) << test.ToString();
    }
  // Strips of columns keep nothing between sums and dx, and of parameters of each observation those
  // of some.
  const Layout maps = cases::MakeLayout("BCS", {.b = kAll / 128, .s = 64, .c = 2});
  const Layout thin = cases::MakeLayout("BCS", {.b = 64, .s = 2, .c = kAll / 128});
  for (const Case& test : {Case{kLayerNormChannelOnly, maps},
                           {kLayerNormChannelOnly, maps, DType::kF64, kB | kC},
                           {kLayerNormChannelOnly, thin, DType::kF32, kB | kC}}) {
    const Problem p(test);
    Calls calls(p, test.Options());
    calls.All(true);
    EXPECT_LE(Asked([&] { calls.Backward(); }), kMost) << test.ToString();
  }
}

// Of the leaves of a tree one waits in each level of it and one is added to them; one of pieces
// needs an array besides. The same in each run that a thread has, unless those would be more than a
// thread keeps.
TEST_P(Allocation, ATreeKeepsTheResultsOfFewLeaves) {
  constexpr int64_t kSmall = 5 << 20;  // bytes: what a leaf and the whole keep for themselves
  constexpr int64_t kMany = 1 << 18;
  const int64_t threads = GetParam();
  struct Row {
    NormSpec spec;
    int64_t rows, parameters;
    // Bytes of a result: sums of f64 for gamma and beta, with batch normalization as many for a
    // statistic, and moments.
    int64_t size = 16;
    bool one_run = false;
  };
  for (const auto& [spec, rows, parameters, size, one_run] :
       {Row{kLayerNorm, 4, kMany}, Row{kRmsNorm, 7, kMany}, Row{kLayerNorm, 64, kMany / 2},
        Row{kLayerNorm, 16, kMany * 2, 16, true}, Row{kBatchNorm, 64, kMany / 4, 32 + 24},
        Row{kBatchNorm, 37, kMany / 4, 32 + 24}})
    for (const bool uneven : {false, true}) {
      const Problem p({spec, cases::MakeLayout("BC", {.b = rows, .c = parameters})});
      Calls calls(p, {.tree = true, .uneven = uneven});
      const auto both = [&] { calls.Forward(true), calls.Backward(); };
      both();  // what the threads of the pool keep
      const auto leaves = std::bit_ceil(static_cast<uint64_t>(std::min<int64_t>(rows, 16)));
      const int64_t runs = one_run ? 1 : threads;
      const int64_t levels = std::bit_width(leaves / static_cast<uint64_t>(runs)) - 1;
      EXPECT_LE(Asked(both), runs * (levels + 1 + uneven) * parameters * size + kSmall)
          << p.test.ToString() << (uneven ? " uneven" : "");
    }
}

enum Outcome { kWorked, kRefused, kWrong };

// What is refused: one operator new, one malloc of whomever (the C library asks for what threads
// need), or that and all after it.
enum class Refused { kNew, kMalloc, kAllMallocs };

void Refuse(Refused what, int64_t allowed) {
  allocations_left = what == Refused::kNew ? allowed : -1;
  one_malloc_fails = what == Refused::kMalloc;
  mallocs_left = what == Refused::kNew ? -1 : allowed;
}

// What becomes of `p` in a process that has done nothing before, where the allocation after
// `allowed` fails; a child, made by a thread with no memory of its own yet.
Outcome WithoutMemory(const Problem& p, Refused what, int64_t allowed,
                      const std::string& expected) {
  int status = -1;
  std::thread([&] {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      Outcome outcome = kWorked;
      {
        Calls calls(p);
        Refuse(what, allowed);
        try {
          calls.All(false);
        } catch (const std::bad_alloc&) {
          outcome = kRefused;
        }
        Refuse(what, -1);
        calls.All(false);
        if (calls.Bytes() != expected) outcome = kWrong;
      }
      _exit(outcome);
    }
    waitpid(child, &status, 0);
  }).join();
  return WIFEXITED(status) ? static_cast<Outcome>(WEXITSTATUS(status)) : kWrong;
}

void CheckWithoutMemory(const Problem& p, Refused what, const std::string& expected) {
  int64_t refused = 0;
  Outcome outcome = kRefused;
  // A thread that could not be made is no error: what is left works alone.
  for (int64_t allowed = 0, worked = 0; worked < 4; ++allowed) {
    outcome = WithoutMemory(p, what, allowed, expected);
    ASSERT_NE(outcome, kWrong) << p.test.ToString() << " with " << allowed
                               << " allocations, refused " << static_cast<int>(what);
    worked = outcome == kWorked ? worked + 1 : 0;
    refused += outcome == kRefused;
  }
  EXPECT_GT(refused, 0) << p.test.ToString();
}

TEST_P(Allocation, OneThatFailsIsToldAndLeavesTheNextCallRight) {
  const Layout rows = cases::MakeLayout("BC", {.b = 150, .c = 640});
  const Layout first = cases::MakeLayout("BCS", {.b = 50, .s = 30, .c = 64});
  const Layout last = cases::MakeLayout("BSC", {.b = 50, .s = 30, .c = 64});
  for (const Case& test : {Case{kLayerNorm, rows}, Case{kRmsNorm, first}, Case{kBatchNorm, first},
                           Case{kBatchNorm, last}, Case{kGroupNorm, last.SplitChannels(4)}}) {
    const Problem p(test);
    Calls calls(p);
    calls.All(false);
    const std::string expected = calls.Bytes();
    CheckWithoutMemory(p, Refused::kNew, expected);
    if (!kRefusesMalloc) continue;
    CheckWithoutMemory(p, Refused::kMalloc, expected);
    CheckWithoutMemory(p, Refused::kAllMallocs, expected);
  }
}

// What the count is worth: a first call does allocate.
TEST(AllocationCount, SeesTheFirstCallOnAThread) {
  const Problem p({kBatchNorm, cases::MakeLayout("BCSS", {})});
  Calls calls(p);
  int64_t during = 0;
  std::thread([&] {
    const int64_t before = allocated_bytes;
    calls.All(true);
    during = allocated_bytes - before;
  }).join();
  EXPECT_GT(during, 0);
}

}  // namespace
}  // namespace normkit
