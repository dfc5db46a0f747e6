#include "src/data/colour_profile.h"

#include <lcms2.h>
#include <lcms2_plugin.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <set>

#include "src/core/fail.h"
#include "src/core/log.h"

namespace normkit {
namespace {

// Tables may claim any size, and elements may lie on top of each other: what making one conversion
// takes, freed or not, is bounded. Real profiles take 1 to 20 MB.
constexpr size_t kMaxProfileMemory = size_t{1} << 27;
// A pipeline of "multi process elements" has as many as the file says; each costs time.
constexpr cmsUInt32Number kMaxStages = 16;
// The largest difference, of 255, of a profile that is taken for sRGB's.
constexpr int kSrgbDifference = 1;

thread_local size_t profile_memory_left = 0;

bool TakeProfileMemory(size_t size) {
  if (size > profile_memory_left) return false;
  profile_memory_left -= size;
  return true;
}

void* AllocateForProfile(cmsContext, cmsUInt32Number size) {
  return TakeProfileMemory(size) ? std::malloc(size) : nullptr;
}

void* ReallocateForProfile(cmsContext, void* old, cmsUInt32Number size) {
  return TakeProfileMemory(size) ? std::realloc(old, size) : nullptr;
}

void FreeOfProfile(cmsContext, void* bytes) { std::free(bytes); }

cmsPluginMemHandler BoundedMemory() {
  cmsPluginMemHandler handler{};
  handler.base.Magic = cmsPluginMagicNumber;
  handler.base.ExpectedVersion = 2000;
  handler.base.Type = cmsPluginMemHandlerSig;
  handler.MallocPtr = AllocateForProfile;
  handler.FreePtr = FreeOfProfile;
  handler.ReallocPtr = ReallocateForProfile;
  return handler;
}

// The first of its messages says what is wrong, the others what follows from it.
void OnProfileError(cmsContext context, cmsUInt32Number, const char* text) {
  auto* message = static_cast<std::string*>(cmsGetContextUserData(context));
  if (message && message->empty()) *message = text;
}

struct CloseProfile {
  void operator()(void* profile) const { cmsCloseProfile(profile); }
};
using Profile = std::unique_ptr<void, CloseProfile>;

Profile MakeSrgb(cmsContext context) { return Profile(cmsCreate_sRGBProfileTHR(context)); }

// Grey with sRGB's curve.
Profile MakeSrgbGrey(cmsContext context) {
  const cmsFloat64Number curve[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
  const std::unique_ptr<cmsToneCurve, void (*)(cmsToneCurve*)> tone(
      cmsBuildParametricToneCurve(context, 4, curve), cmsFreeToneCurve);
  return Profile(tone ? cmsCreateGrayProfileTHR(context, cmsD50_xyY(), tone.get()) : nullptr);
}

bool IsInk(Samples samples) {
  return samples == Samples::kCmyk || samples == Samples::kInvertedCmyk;
}

bool IsGrey(Samples samples) { return samples == Samples::kGrey || samples == Samples::kGreyAlpha; }

// As four characters, of which strange ones are question marks.
std::string FourLetters(cmsUInt32Number signature) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto letter = static_cast<char>(signature >> shift);
    text += letter >= ' ' && letter <= '~' ? letter : '?';
  }
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

// Throws Error (of no place) where the profile is not one of these samples.
void CheckProfile(cmsHPROFILE profile, Samples samples) {
  const cmsProfileClassSignature kind = cmsGetDeviceClass(profile);
  if (kind != cmsSigInputClass && kind != cmsSigDisplayClass && kind != cmsSigOutputClass &&
      kind != cmsSigColorSpaceClass)
    Fail("it is of class '{}', expected one of a device or colour space", FourLetters(kind));
  const cmsColorSpaceSignature space = cmsGetColorSpace(profile);
  const bool fits = IsInk(samples)
                        ? space == cmsSigCmykData
                        : space == cmsSigRgbData || (IsGrey(samples) && space == cmsSigGrayData);
  if (!fits)
    Fail("it is of '{}', the picture's pixels are {}", FourLetters(space),
         IsInk(samples)    ? "CMYK"
         : IsGrey(samples) ? "grey"
                           : "RGB");
  for (const auto tag : {cmsSigDToB0Tag, cmsSigDToB1Tag, cmsSigDToB2Tag, cmsSigDToB3Tag}) {
    const void* elements = cmsIsTag(profile, tag) ? cmsReadTag(profile, tag) : nullptr;
    if (!elements) continue;
    const auto stages = cmsPipelineStageCount(static_cast<const cmsPipeline*>(elements));
    if (stages > kMaxStages) Fail("it has {} steps, expected at most {}", stages, kMaxStages);
  }
}

// Formats of the other library: from the picture's pixels (for grey: each of 256 greys), to sRGB.
struct Formats {
  cmsUInt32Number from, to;
};
Formats FormatsOf(Samples samples, cmsColorSpaceSignature space) {
  switch (samples) {
    case Samples::kGrey:
    case Samples::kGreyAlpha:
      if (space == cmsSigGrayData) return {TYPE_GRAY_8, TYPE_GRAY_8};
      return {TYPE_RGB_8, TYPE_GRAY_8};
    case Samples::kRgb:
      return {TYPE_RGB_8, TYPE_RGB_8};
    case Samples::kRgba:
      return {TYPE_RGBA_8, TYPE_RGBA_8};
    case Samples::kCmyk:
      return {TYPE_CMYK_8, TYPE_RGB_8};
    case Samples::kInvertedCmyk:
      break;
  }
  return {TYPE_CMYK_8_REV, TYPE_RGB_8};
}

// What becomes of the 256 greys.
std::array<uint8_t, 256> GreyTable(cmsHTRANSFORM transform, bool rgb) {
  const size_t channels = rgb ? 3 : 1;
  std::vector<uint8_t> greys(256 * channels);
  for (size_t i = 0; i < greys.size(); ++i) greys[i] = static_cast<uint8_t>(i / channels);
  std::array<uint8_t, 256> table;
  cmsDoTransform(transform, greys.data(), table.data(), 256);
  return table;
}

bool MovesGreys(const std::array<uint8_t, 256>& table) {
  for (int i = 0; i < 256; ++i)
    if (std::abs(table[static_cast<size_t>(i)] - i) > kSrgbDifference) return true;
  return false;
}

// Whether colours of a grid of 18 x 18 x 18 become others.
bool MovesColours(cmsHTRANSFORM transform, bool alpha) {
  std::vector<uint8_t> grid;
  for (int red = 0; red <= 255; red += 15)
    for (int green = 0; green <= 255; green += 15)
      for (int blue = 0; blue <= 255; blue += 15) {
        for (const int value : {red, green, blue}) grid.push_back(static_cast<uint8_t>(value));
        if (alpha) grid.push_back(255);
      }
  std::vector<uint8_t> moved = grid;
  const auto count = static_cast<cmsUInt32Number>(grid.size() / (alpha ? 4 : 3));
  cmsDoTransform(transform, grid.data(), moved.data(), count);
  for (size_t i = 0; i < grid.size(); ++i)
    if (std::abs(moved[i] - grid[i]) > kSrgbDifference) return true;
  return false;
}

}  // namespace

struct SrgbConverter::Engine {
  std::string message;  // of the other library
  cmsContext context = nullptr;
  cmsHTRANSFORM transform = nullptr;
  std::array<uint8_t, 256> grey{};  // instead of the transform
  bool converts = false;

  Engine() {
    cmsPluginMemHandler memory = BoundedMemory();
    context = cmsCreateContext(&memory, &message);
    if (context) cmsSetLogErrorHandlerTHR(context, OnProfileError);
  }
  ~Engine() {
    if (transform) cmsDeleteTransform(transform);
    if (context) cmsDeleteContext(context);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[noreturn]] void Damaged() const {
    Fail("it is damaged ({})", message.empty() ? "no reason is known" : message);
  }

  // From the profile to sRGB. Throws Error (of no place).
  void Make(std::string_view bytes, Samples samples) {
    if (!context) Damaged();
    const Profile from(cmsOpenProfileFromMemTHR(context, bytes.data(),
                                                static_cast<cmsUInt32Number>(bytes.size())));
    if (!from) Damaged();
    CheckProfile(from.get(), samples);
    const Profile to = IsGrey(samples) ? MakeSrgbGrey(context) : MakeSrgb(context);
    if (!to) Damaged();
    const cmsColorSpaceSignature space = cmsGetColorSpace(from.get());
    const Formats formats = FormatsOf(samples, space);
    // Tables of the other library are coarse in the dark; of 256 greys all can be computed.
    const cmsUInt32Number flags = cmsFLAGS_BLACKPOINTCOMPENSATION | cmsFLAGS_COPY_ALPHA |
                                  (IsGrey(samples) ? cmsFLAGS_NOOPTIMIZE : 0);
    transform = cmsCreateTransformTHR(context, from.get(), formats.from, to.get(), formats.to,
                                      INTENT_RELATIVE_COLORIMETRIC, flags);
    if (!transform) Damaged();
    if (IsGrey(samples)) {
      grey = GreyTable(transform, space == cmsSigRgbData);
      converts = MovesGreys(grey);
    } else {
      converts = IsInk(samples) || MovesColours(transform, samples == Samples::kRgba);
    }
  }
};

SrgbConverter::SrgbConverter(std::string_view profile, Samples samples, const std::string& where)
    : samples_(samples) {
  if (profile.empty()) return;
  try {
    if (profile.size() > kMaxProfile)
      Fail("it has {} bytes, expected at most {}", profile.size(), kMaxProfile);
    engine_ = Prepare(profile, samples);
    converts_ = engine_->converts;
  } catch (const Error& error) {
    IgnoreProfile(where, error.what());
  }
}

// Pictures of one folder mostly have one profile, and what it says takes 2 ms to find out.
std::shared_ptr<const SrgbConverter::Engine> SrgbConverter::Prepare(std::string_view profile,
                                                                    Samples samples) {
  thread_local std::string last_profile;
  thread_local Samples last_samples;
  thread_local std::shared_ptr<const Engine> last;
  if (last && last_samples == samples && last_profile == profile) return last;
  profile_memory_left = kMaxProfileMemory;
  const auto engine = std::make_shared<Engine>();
  engine->Make(profile, samples);
  last_profile = profile, last_samples = samples, last = engine;
  return engine;
}

void SrgbConverter::Convert(std::vector<uint8_t>& pixels) const {
  if (!converts_) return;
  if (IsGrey(samples_)) {
    for (size_t i = 0; i < pixels.size(); i += samples_ == Samples::kGrey ? 1 : 2)
      pixels[i] = engine_->grey[pixels[i]];
    return;
  }
  if (!IsInk(samples_)) {
    const size_t count = pixels.size() / (samples_ == Samples::kRgb ? 3 : 4);
    cmsDoTransform(engine_->transform, pixels.data(), pixels.data(),
                   static_cast<cmsUInt32Number>(count));
    return;
  }
  std::vector<uint8_t> rgb(pixels.size() / 4 * 3);
  cmsDoTransform(engine_->transform, pixels.data(), rgb.data(),
                 static_cast<cmsUInt32Number>(pixels.size() / 4));
  pixels = std::move(rgb);
}

void IgnoreProfile(const std::string& where, std::string_view reason) {
  static std::mutex mutex;
  static std::set<std::string> said;  // training reads a file many times
  const std::lock_guard<std::mutex> lock(mutex);
  if (said.insert(where).second) Warn("{}: its colour profile is ignored: {}", where, reason);
}

}  // namespace normkit
