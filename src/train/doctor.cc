#include "normkit/train/doctor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "src/core/fail.h"
#include "src/core/glob.h"
#include "src/train/batches.h"
#include "src/train/objective.h"
#include "src/train/trials.h"

namespace normkit {
namespace {

class Doctor {
 public:
  Doctor(const Network& network, const DataPtr& data, const DiagnoseOptions& options)
      : options_(options),
        patient_{CopyOf(network), options.form},
        evidence_{options_, EvenSample(data, options.observations), {}},
        classification_(TellsClasses(network.graph, *data, Loss::kAuto)) {}

  Diagnosis Run() {
    diagnosis_.observations = evidence_.data->size();
    diagnosis_.classification = classification_;
    Answers now = AskPatient(patient_);
    diagnosis_.metric = now.metric;
    constexpr size_t kMost = 4;
    while (diagnosis_.findings.size() < kMost) {
      evidence_.layers = Examine(patient_.network, Formed(patient_), options_.mini_batch_size);
      if (diagnosis_.layers.empty()) diagnosis_.layers = evidence_.layers;
      std::optional<Cured> best = FindBest(now);
      if (!best) {
        AddSilence(now);
        break;
      }
      Report(*best, now);
      patient_ = std::move(best->patient);
      now = std::move(best->answers);
    }
    AddHalfPrecision();
    MeasureSensitivity();
    return std::move(diagnosis_);
  }

 private:
  struct Cured {
    Trial trial;
    Patient patient;
    Answers answers;
  };

  DataPtr Formed(const Patient& patient) const {
    return WithInputForm(evidence_.data, patient.form);
  }
  Answers AskPatient(const Patient& patient) const {
    return Ask(patient.network, Formed(patient), options_.mini_batch_size);
  }
  // Percent, more is better; of errors less is.
  double Goodness(const Answers& answers) const {
    if (!std::isfinite(answers.metric)) return -std::numeric_limits<double>::infinity();
    return classification_ ? answers.metric : -answers.metric;
  }

  // The cure that helps most; of those that help as much the likelier cause.
  std::optional<Cured> FindBest(const Answers& now) const {
    std::vector<Cured> cured;
    for (Trial& trial : TrialsFor(patient_, evidence_)) {
      try {
        Patient patient = trial.cure(patient_);
        Answers answers = AskPatient(patient);
        if (IsBetter(answers, now, classification_))
          cured.push_back({std::move(trial), std::move(patient), std::move(answers)});
      } catch (const Error&) {  // numbers overflow on the way: no cure
      }
    }
    DropWhatStatisticsDo(cured);
    if (cured.empty()) return std::nullopt;
    double most = -std::numeric_limits<double>::infinity();
    for (const Cured& one : cured) most = std::max(most, Goodness(one.answers));
    const double near = classification_ ? most - 1 : most * 1.05;
    std::erase_if(cured, [&](const Cured& one) { return Goodness(one.answers) < near; });
    // A reset is a beginning: training on, not the trial, shows how far it goes.
    return std::move(*std::ranges::min_element(cured, {}, [&](const Cured& one) {
      return std::pair(one.trial.rank, -Goodness(one.answers));
    }));
  }

  // A reset is tried with statistics that fit: what these do alone is no merit of it.
  void DropWhatStatisticsDo(std::vector<Cured>& cured) const {
    const auto alone = std::ranges::find_if(
        cured, [](const Cured& one) { return one.trial.finding.fault == "statistics"; });
    if (alone == cured.end()) return;
    const Answers answers = alone->answers;
    std::erase_if(cured, [&](const Cured& one) {
      return one.trial.finding.fault == "dead" && !IsBetter(one.answers, answers, classification_);
    });
  }

  std::string Shown(double metric) const {
    if (!std::isfinite(metric)) return "nothing, for numbers overflow";
    return classification_ ? fmt::format("{:.1f} % right", metric)
                           : fmt::format("an RMSE of {:.4g}", metric);
  }

  void Report(const Cured& cured, const Answers& now) {
    Finding finding = cured.trial.finding;
    finding.before = now.metric;
    finding.after = cured.answers.metric;
    finding.effect = fmt::format("{} as it is, {} with the cure tried ({} observations).",
                                 Shown(now.metric), Shown(finding.after), evidence_.data->size());
    diagnosis_.findings.push_back(std::move(finding));
  }

  // Whether mini-batches of 1, with their own statistics, get one answer.
  bool SilentInTraining() const {
    constexpr int64_t kAsked = 200;
    const DataPtr some = WithInputForm(EvenSample(evidence_.data, kAsked), patient_.form);
    Answers answers;
    for (int64_t i = 0; i < some->size(); ++i) {
      const Answers one = Ask(patient_.network, Subset(some, {i}), 1, true);
      if (i > 0 && one.first != answers.first) return false;
      answers = one;
    }
    return true;
  }

  // All answers the same, and nothing that was tried changes it.
  void AddSilence(const Answers& now) {
    if (evidence_.data->classes().size() < 2) return;
    std::optional<Finding> finding = CauseOfSilence(patient_, evidence_);
    if (!finding) return;
    if (now.kinds != 1 && (finding->fault != "one-value" || !SilentInTraining())) return;
    finding->before = now.metric;
    finding->after = kOverflows;
    finding->effect =
        now.kinds == 1 ? fmt::format("All {} observations get the same answer: {}.",
                                     evidence_.data->size(), Shown(now.metric))
                       : fmt::format(
                             "In mini-batches of 1, as in training, all observations get the same "
                             "answer; {} with its statistics.",
                             Shown(now.metric));
    diagnosis_.findings.push_back(std::move(*finding));
  }

  void AddHalfPrecision() {
    constexpr double kLargest = 65504;  // of IEEE binary16
    for (const NormHealth& health : evidence_.layers) {
      if (!(health.largest > kLargest)) continue;
      Finding finding{
          .fault = "f16", .layer = health.layer, .before = kOverflows, .after = kOverflows};
      finding.finding = fmt::format(
          "What it reads overflows in half precision: values up to {:.3g}, where the largest is "
          "65504; only its own scale undoes the weights before it.",
          health.largest);
      finding.effect =
          "In half precision these become infinite, and what the network gives is no number.";
      finding.cure = "Scale the weights before it down; the normalization undoes it.";
      finding.command = fmt::format(
          "normkit statistics MODEL.onnx --data SOURCE{} --rescale '{}' --output mended.onnx",
          FormWords(patient_.form), health.layer);
      diagnosis_.findings.push_back(std::move(finding));
      return;
    }
  }

  void MeasureSensitivity() {
    const bool any = std::ranges::any_of(evidence_.layers, &NormHealth::has_statistics);
    for (const int64_t size : {128, 32, 8, 2}) {
      if (!any) return;
      double metric = kOverflows;
      try {
        metric = Ask(patient_.network, Formed(patient_), size, true).metric;
      } catch (const Error&) {  // numbers overflow
      }
      diagnosis_.sensitivity.push_back({size, metric});
    }
  }

  const DiagnoseOptions& options_;
  Patient patient_;
  Evidence evidence_;
  bool classification_;
  Diagnosis diagnosis_;
};

// The parameter that a node reads at a place, if it alone does; else -1.
int OwnParameter(const Graph& graph, const Node& node, size_t input) {
  if (input >= node.inputs.size()) return -1;
  const Value value = node.inputs[input];
  int64_t readers = 0;
  for (const Node& other : graph.nodes()) readers += std::ranges::count(other.inputs, value);
  return readers == 1 ? graph.value(value).parameter : -1;
}

void Rescale(Network& network, const NormSite& site) {
  const Graph& graph = network.graph;
  const int made_by = graph.value(site.x).node;
  int64_t readers = 0;
  for (const Node& node : graph.nodes()) readers += std::ranges::count(node.inputs, site.x);
  const Node* node = made_by < 0 ? nullptr : &graph.node(made_by);
  const bool linear =
      node && (node->op->name() == "convolution" || node->op->name() == "matrix product");
  const int weights = linear ? OwnParameter(graph, *node, 1) : -1;
  const int bias = linear ? OwnParameter(graph, *node, 2) : -1;
  if (weights < 0 || readers != 1 || (node->inputs.size() > 2 && bias < 0) || !site.has_trained())
    Fail(
        "rescaling before '{}': expected a convolution or matrix product whose output and weights "
        "nobody else reads, before a batch normalization",
        site.name);
  const auto mean = SiteArray(network.parameters, site.mean),
             variance = SiteArray(network.parameters, site.variance),
             w = SiteArray(network.parameters, weights), b = SiteArray(network.parameters, bias);
  const size_t each = w.size() / variance.size();
  for (size_t c = 0; c < variance.size(); ++c) {
    if (!(variance[c] > 0)) continue;
    const float factor = std::exp2(-std::round(std::log2(std::sqrt(variance[c]))));
    for (float& x : w.subspan(c * each, each)) x *= factor;
    if (!b.empty()) b[c] *= factor;
    mean[c] *= factor;
    variance[c] *= factor * factor;
  }
}

}  // namespace

Diagnosis Diagnose(const Network& network, const DataPtr& data, const DiagnoseOptions& options) {
  if (!data) Fail("diagnosing: no data given");
  if (data->size() == 0) Fail("diagnosing on '{}': has no observations", data->Description());
  if (options.mini_batch_size < 1 || options.observations < 1)
    Fail("diagnosing: mini_batch_size is {} and observations {}, expected 1 or more",
         options.mini_batch_size, options.observations);
  return Doctor(network, data, options).Run();
}

void RescaleBefore(Network& network, const std::vector<std::string>& layers) {
  Globs globs(layers, "rescale");
  for (const NormSite& site : NormSites(network.graph))
    if (globs.Match({site.name})) Rescale(network, site);
  globs.CheckAllNamed();
}

}  // namespace normkit
