#include "tools/train_from.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "src/core/fail.h"
#include "src/core/log.h"
#include "src/core/text.h"
#include "src/data/picture_size.h"

namespace normkit::tools {
namespace {

using Names = std::vector<std::string>;

// The lists of names by the options that they are.
struct List {
  const char* option;
  Names NetworkChanges::*names;
};
constexpr List kLists[] = {{"freeze", &NetworkChanges::freeze},
                           {"freeze-statistics", &NetworkChanges::freeze_statistics},
                           {"use-trained-statistics", &NetworkChanges::use_trained_statistics},
                           {"reset", &NetworkChanges::reset}};

std::string Joined(const Names& names) { return fmt::format("{}", fmt::join(names, ",")); }

Names Split(const std::string& text) {
  Names names;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

bool Same(const Names& a, const Names& b) {
  return std::set<std::string>(a.begin(), a.end()) == std::set<std::string>(b.begin(), b.end());
}

}  // namespace

void AddFromOptions(const Command& command, FromArgs& args) {
  AddText(
      command, "--from", args.from, "FILE",
      "Begin with this model, ours or another's, not with --network; its last layer is replaced "
      "where the data have other classes");
  AddLayers(command, "--freeze", args.changes.freeze,
            "Layers of --from whose parameters stay as they are, by name or pattern");
  AddLayers(command, "--freeze-statistics", args.changes.freeze_statistics,
            "Batch normalizations of --from whose trained statistics stay as they are");
  AddLayers(command, "--use-trained-statistics", args.changes.use_trained_statistics,
            "Batch normalizations of --from that train with their trained statistics");
  AddLayers(command, "--reset", args.changes.reset,
            "Normalizations of --from whose scale and offset begin with 1 and 0");
  AddFlag(command, "--new-end", args.new_end, "Replace the last layer of --from in any case");
  AddFormOptions(command, args.form);
}

void CheckFrom(const FromArgs& args) {
  if (!args.from.empty()) return;
  for (const List& list : kLists)
    if (!(args.changes.*list.names).empty())
      Fail("--{} is given without --from, expected both", list.option);
  const FormArgs none;
  const FormArgs& form = args.form;
  if (form.white != none.white || form.order != none.order || !form.mean.empty() ||
      !form.std.empty())
    Fail(
        "--range, --channel-order, --input-mean and --input-std are given without --from, expected "
        "both: a network of its own learns pictures as they are");
  if (args.new_end) Fail("--new-end is given without --from, expected both");
}

std::map<std::string, std::string> FromArgs::Notes() const {
  std::map<std::string, std::string> notes{{"from", from}};
  InputForm asked{
      .white = form.white, .bgr = form.order == "bgr", .mean = form.mean, .std = form.std};
  notes["from-form"] = Name(asked);
  notes["from-order"] = form.order;
  notes["from-new-end"] = new_end ? "1" : "";
  for (const List& list : kLists)
    notes[fmt::format("from-{}", list.option)] = Joined(changes.*list.names);
  return notes;
}

void FromArgs::TakeNotes(const std::map<std::string, std::string>& notes) {
  const auto text = [&](const std::string& name) {
    const auto note = notes.find(name);
    return note == notes.end() ? std::string() : note->second;
  };
  from = text("from");
  if (notes.contains("from-form")) {
    const InputForm asked = ParseInputForm(text("from-form"));
    form = {asked.white, text("from-order"), asked.mean, asked.std};
  }
  new_end = !text("from-new-end").empty();
  for (const List& list : kLists)
    changes.*list.names = Split(text(fmt::format("from-{}", list.option)));
}

std::vector<std::pair<std::string, std::string>> FromArgs::Settings() const {
  std::vector<std::pair<std::string, std::string>> settings;
  if (!from.empty()) settings.emplace_back("from", from);
  for (const List& list : kLists)
    if (const Names& names = changes.*list.names; !names.empty())
      settings.emplace_back(list.option, Joined(names));
  if (new_end) settings.emplace_back("new-end", "");
  if (form.white > 0) settings.emplace_back("range", fmt::format("{}", form.white));
  if (form.order != "auto") settings.emplace_back("channel-order", form.order);
  if (!form.mean.empty())
    settings.emplace_back("input-mean", fmt::format("{}", fmt::join(form.mean, ",")));
  if (!form.std.empty())
    settings.emplace_back("input-std", fmt::format("{}", fmt::join(form.std, ",")));
  return settings;
}

Beginning::Beginning(const FromArgs& args, ReadingArgs& reading) {
  file_.emplace(args.from);
  const auto size = PictureSizeOf(file_->network().graph.input_layout());
  if (!size) return;
  if (reading.height == 0) reading.height = size->height;
  if (reading.width == 0) reading.width = size->width;
  if (reading.channels == 0) reading.channels = size->channels;
}

void Beginning::Fit(const FromArgs& args, const ReadingArgs& reading, uint64_t seed,
                    TrainingData& data) {
  form_ = FormOf(args.form, *file_);
  const Network& old = file_->network();
  NetworkChanges changes = args.changes;
  changes.seed = seed;
  const Layout takes = old.graph.input_layout();
  if (takes.format() == "BSSC") {
    const std::vector<int64_t> shape = takes.shape();
    if (reading.height != shape[1]) changes.height = reading.height;
    if (reading.width != shape[2]) changes.width = reading.width;
  }
  const Names& classes = data.first->classes();
  const int64_t gives = old.graph.layout(old.graph.output()).size();
  const bool fits =
      std::ssize(classes) == gives && (old.classes.empty() || Same(old.classes, classes));
  if (!classes.empty() && (args.new_end || !fits)) {
    LogWarning(
        fmt::format("{}: its last layer is replaced: it gives {} values, and there are {} "
                    "classes, {}",
                    args.from, gives, classes.size(), fmt::join(classes, ", ")));
    changes.classes = classes;
  }
  file_.emplace(args.from, changes);
  network_ = NetworkFor(*file_, *data.first);
  const auto formed = [&](const DataPtr& of) {
    const Names& order = network_.classes.empty() ? classes : network_.classes;
    return of ? WithInputForm(WithClasses(of, order), form_) : of;
  };
  const DataPtr first = formed(data.first);
  data.second = formed(data.second);
  data.first = first;
}

std::map<std::string, std::string> Beginning::Facts() const {
  std::map<std::string, std::string> facts{{"from", OneLine(file_->path())}};
  const auto& old = file_->network().facts;
  for (const char* name : {"network", "norm"})
    if (const auto fact = old.find(name); fact != old.end()) facts[name] = fact->second;
  if (const std::string form = Name(form_); !form.empty()) facts["input-form"] = form;
  return facts;
}

}  // namespace normkit::tools
