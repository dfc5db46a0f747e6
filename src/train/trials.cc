#include "src/train/trials.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "normkit/nn/network_changes.h"
#include "normkit/train/statistics.h"
#include "src/core/fail.h"
#include "src/train/held_out.h"

namespace normkit {
namespace {

enum Rank { kInput, kOneValue, kEpsilon, kReset, kStatistics };

constexpr double kUsualEpsilon = 1e-5;

Patient CopyOf(const Patient& patient) { return {CopyOf(patient.network), patient.form}; }

const NormSite& SiteOf(const std::vector<NormSite>& sites, const std::string& layer) {
  return *std::ranges::find(sites, layer, &NormSite::name);
}

// ---- The input ----------------------------------------------------------------------------------

std::vector<InputForm> OtherForms(const InputForm& own, int64_t channels) {
  std::vector<InputForm> forms{
      {}, {.white = 1}, {.white = 1, .mean = {0.5}, .std = {0.5}}, {.std = {1.0 / 255}}};
  if (channels == 3) {
    forms.push_back({.white = 1, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}});
    forms.push_back({.mean = {123.68, 116.779, 103.939}});
    if (!own.mean.empty() || !own.std.empty() || own.white != 255) forms.push_back(own);
    const size_t count = forms.size();
    for (size_t i = 0; i < count; ++i) {
      InputForm other = forms[i];
      other.bgr = !own.bgr;
      forms[i].bgr = own.bgr;
      std::ranges::reverse(other.mean);
      std::ranges::reverse(other.std);
      forms.push_back(std::move(other));
    }
    InputForm swapped = own;  // its numbers are those of its own order
    swapped.bgr = !own.bgr;
    forms.push_back(std::move(swapped));
  }
  std::vector<InputForm> others;
  for (const InputForm& form : forms)
    if (form != own && std::ranges::find(others, form) == others.end()) others.push_back(form);
  return others;
}

void AddInputs(const Patient& patient, const Evidence& evidence, std::vector<Trial>& trials) {
  const Layout takes = patient.network.graph.input_layout();
  if (takes.format() != "BSSC") return;
  for (const InputForm& form : OtherForms(patient.form, takes.channels())) {
    const bool order = form.bgr != patient.form.bgr, range = form.white != patient.form.white ||
                                                             form.mean != patient.form.mean ||
                                                             form.std != patient.form.std;
    Trial trial{.rank = kInput};
    trial.finding.fault = "input";
    trial.finding.layer = evidence.options.input;
    trial.finding.finding =
        fmt::format("The pictures go in in another {} than the network was trained on.",
                    order && range ? "range and order of channels"
                    : order        ? "order of channels"
                                   : "range");
    const std::string name = Name(form);
    trial.finding.cure = fmt::format("Give it pictures as it takes them: {}.",
                                     name.empty() ? "red, green and blue from 0 to 255"
                                                  : name + (form.bgr ? "" : ", red first"));
    trial.finding.command = "normkit eval MODEL.onnx --data SOURCE" + FormWords(form);
    trial.cure = [form](const Patient& from) {
      Patient cured = CopyOf(from);
      cured.form = form;
      return cured;
    };
    trials.push_back(std::move(trial));
  }
}

// ---- Statistics ---------------------------------------------------------------------------------

bool NeverMoved(const Network& network, const NormSite& site) {
  const auto is = [](std::span<const float> values, float all) {
    return std::ranges::all_of(values, [&](float x) { return x == all; });
  };
  return is(SiteArray(network.parameters, site.mean), 0) &&
         is(SiteArray(network.parameters, site.variance), 1);
}

bool TrainsOnOne(const Network& network, const NormHealth& health) {
  return health.has_statistics && health.values == 1 &&
         Fact<int64_t>(network, "mini-batch-size", 0) == 1;
}

std::string WhyStatistics(const Network& network, const NormSite& site, const NormHealth& health) {
  const auto batch = Fact<int64_t>(network, "mini-batch-size", 0);
  const auto method = network.facts.find("batch-normalization-statistics");
  const bool moving = method != network.facts.end() && method->second == "moving";
  const std::string gap = fmt::format(
      "{:.2f} standard deviations in mean and {:.0f} % in variance, in the worst channel, from "
      "those "
      "of what prediction feeds it",
      health.mean_gap, 100 * health.variance_gap);
  if (NeverMoved(network, site))
    return fmt::format(
        "Its statistics are the 0 and 1 that they began with: they were frozen, or "
        "never trained; they are {}.",
        gap);
  constexpr double kMostNew = 0.5;
  if (site.settings.mean_decay > kMostNew)
    return fmt::format(
        "Each mini-batch weighs {:.2g} in its moving statistics, the past {:.2g}: a "
        "momentum read the other way round; they are {}.",
        site.settings.mean_decay, 1 - site.settings.mean_decay, gap);
  constexpr int64_t kSmall = 8;
  if (moving && batch > 0 && batch <= kSmall)
    return fmt::format(
        "Its statistics are moving estimates of mini-batches of {}: too few to know; "
        "they are {}.",
        batch, gap);
  return fmt::format("Its statistics are those of other data: they are {}.", gap);
}

// The site that the statistics are the most wrong of: whose own gap, upstream as it is, is largest.
const NormHealth* Worst(const std::vector<NormHealth>& layers) {
  const NormHealth* worst = nullptr;
  for (const NormHealth& health : layers) {
    if (!health.has_statistics) continue;
    const auto size = [](const NormHealth& of) {
      const double sum = of.mean_gap + of.variance_gap;
      return std::isfinite(sum) ? sum : 1e300;
    };
    if (!worst || size(health) > size(*worst)) worst = &health;
  }
  return worst;
}

Patient Recounted(const Patient& from, const Evidence& evidence,
                  const std::vector<std::string>& layers) {
  Patient cured = CopyOf(from);
  RecomputeStatistics(cured.network, *WithInputForm(evidence.data, cured.form),
                      {.mini_batch_size = evidence.options.mini_batch_size, .layers = layers});
  return cured;
}

Finding OneValueFinding(const Patient& patient, const std::string& layer) {
  Finding finding{.fault = "one-value", .layer = layer};
  finding.finding =
      "It was trained in mini-batches of 1 with one value behind each of its statistics: each time "
      "it "
      "gave its offset, whatever it read, and nothing before it learned.";
  finding.cure = "Train it on in larger mini-batches.";
  finding.command = "normkit train --from MODEL.onnx --data SOURCE" + FormWords(patient.form) +
                    " --mini-batch-size 64 --initial-learn-rate 0.003 --output mended";
  return finding;
}

const NormHealth* TrainedOnOne(const Patient& patient, const Evidence& evidence) {
  const auto one = std::ranges::find_if(evidence.layers, [&](const NormHealth& health) {
    return TrainsOnOne(patient.network, health);
  });
  return one == evidence.layers.end() ? nullptr : &*one;
}

void AddStatistics(const Patient& patient, const Evidence& evidence, std::vector<Trial>& trials) {
  const NormHealth* worst = Worst(evidence.layers);
  if (!worst) return;
  const std::vector<NormSite> sites = NormSites(patient.network.graph);
  const std::string words = FormWords(patient.form);
  Trial trial{.rank = kStatistics};
  trial.finding.fault = "statistics";
  trial.finding.layer = worst->layer;
  trial.finding.finding = WhyStatistics(patient.network, SiteOf(sites, worst->layer), *worst);
  trial.finding.cure = "Recompute the statistics of its batch normalizations from data like these.";
  trial.finding.command =
      "normkit statistics MODEL.onnx --data SOURCE" + words + " --output mended.onnx";
  trial.cure = [&evidence](const Patient& from) { return Recounted(from, evidence, {"*"}); };
  trials.push_back(std::move(trial));
  const NormHealth* one = TrainedOnOne(patient, evidence);
  if (!one) return;
  trial = {.finding = OneValueFinding(patient, one->layer), .rank = kOneValue};
  trial.cure = [&evidence](const Patient& from) { return Recounted(from, evidence, {"*"}); };
  trials.push_back(std::move(trial));
}

// ---- Epsilon and scale --------------------------------------------------------------------------

// With an epsilon of 1e-5: folded into the scale where the variance is known.
Patient WithUsualEpsilon(const Patient& from, const std::string& layer) {
  Patient cured = CopyOf(from);
  const std::vector<NormSite> sites = NormSites(cured.network.graph);
  const NormSite& site = SiteOf(sites, layer);
  if (!site.has_trained()) {
    cured.network = ChangeNetwork(cured.network, {.epsilon = kUsualEpsilon, .epsilon_of = {layer}});
    return cured;
  }
  const auto variance = SiteArray(cured.network.parameters, site.variance);
  const auto scale = SiteArray(cured.network.parameters, site.scale);
  for (size_t c = 0; c < scale.size(); ++c)
    scale[c] *= static_cast<float>(
        std::sqrt((variance[c] + site.settings.options.epsilon) / (variance[c] + kUsualEpsilon)));
  return cured;
}

void AddEpsilons(const Patient& patient, const Evidence& evidence, std::vector<Trial>& trials) {
  const std::vector<NormSite> sites = NormSites(patient.network.graph);
  for (const NormHealth& health : evidence.layers) {
    const NormSite& site = SiteOf(sites, health.layer);
    const double epsilon = site.settings.options.epsilon;
    const bool can = site.has_trained() ? site.scale >= 0 : patient.network.graph.num_layers() > 0;
    if (health.under_epsilon == 0 || !(epsilon > 10 * kUsualEpsilon) || !can) continue;
    Trial trial{.rank = kEpsilon};
    trial.finding.fault = "epsilon";
    trial.finding.layer = health.layer;
    trial.finding.finding = fmt::format(
        "Its epsilon is {:.3g}, more than the variance of {:.0f} % of its channels: what it "
        "divides by "
        "is epsilon, not the data.",
        epsilon, 100 * health.under_epsilon);
    trial.finding.cure = "Give it the usual epsilon, 1e-05.";
    trial.finding.command = fmt::format(
        "normkit statistics MODEL.onnx --data SOURCE{} --layers '{}' --epsilon 1e-05 --output "
        "mended.onnx",
        FormWords(patient.form), health.layer);
    trial.cure = [layer = health.layer](const Patient& from) {
      return WithUsualEpsilon(from, layer);
    };
    trials.push_back(std::move(trial));
  }
}

// Scale 1 and offset 0, and statistics behind it that fit.
Patient WithReset(const Patient& from, const Evidence& evidence, const std::string& layer) {
  Patient cured = CopyOf(from);
  const std::vector<NormSite> sites = NormSites(cured.network.graph);
  const NormSite& site = SiteOf(sites, layer);
  std::ranges::fill(SiteArray(cured.network.parameters, site.scale), 1.f);
  std::ranges::fill(SiteArray(cured.network.parameters, site.offset), 0.f);
  if (Worst(evidence.layers)) return Recounted(cured, evidence, {"*"});
  return cured;
}

Finding ResetFinding(const Patient& patient, const NormHealth& health, bool dead) {
  Finding finding{.fault = "dead", .layer = health.layer};
  finding.finding =
      dead ? fmt::format(
                 "{:.0f} % of its channels are dead: their scale is 0, and they give the "
                 "same whatever they read.",
                 100 * health.dead)
           : fmt::format("{:.0f} % of its channels never get through the ReLU behind it.",
                         100 * health.idle);
  finding.cure = "Begin anew with its scale and offset, and train on.";
  finding.command =
      fmt::format("normkit train --from MODEL.onnx --data SOURCE{} --reset '{}' --output mended",
                  FormWords(patient.form), health.layer);
  return finding;
}

void AddResets(const Patient& patient, const Evidence& evidence, std::vector<Trial>& trials) {
  constexpr double kMostIdle = 0.5, kMostDead = 0.1;  // a few do no harm that could be measured
  for (const NormHealth& health : evidence.layers) {
    if (health.dead < kMostDead && health.idle < kMostIdle) continue;
    const bool dead = health.dead >= kMostDead;
    Trial trial{.finding = ResetFinding(patient, health, dead), .rank = kReset};
    trial.cure = [&evidence, layer = health.layer](const Patient& from) {
      return WithReset(from, evidence, layer);
    };
    trials.push_back(std::move(trial));
  }
}

}  // namespace

std::optional<Finding> CauseOfSilence(const Patient& patient, const Evidence& evidence) {
  if (const NormHealth* one = TrainedOnOne(patient, evidence))
    return OneValueFinding(patient, one->layer);
  const auto dead = std::ranges::find(evidence.layers, 1.0, &NormHealth::dead);
  if (dead != evidence.layers.end()) return ResetFinding(patient, *dead, true);
  return std::nullopt;
}

std::string FormWords(const InputForm& form) {
  std::string words =
      fmt::format(" --range {} --channel-order {}", form.white, form.bgr ? "bgr" : "rgb");
  if (!form.mean.empty()) words += fmt::format(" --input-mean {}", fmt::join(form.mean, ","));
  if (!form.std.empty()) words += fmt::format(" --input-std {}", fmt::join(form.std, ","));
  return words;
}

std::vector<Trial> TrialsFor(const Patient& patient, const Evidence& evidence) {
  std::vector<Trial> trials;
  AddInputs(patient, evidence, trials);
  AddStatistics(patient, evidence, trials);
  AddEpsilons(patient, evidence, trials);
  AddResets(patient, evidence, trials);
  return trials;
}

}  // namespace normkit
