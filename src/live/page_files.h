// The files of src/live/page.
#pragma once

#include <string_view>

namespace normkit {

extern const std::string_view kLivePageHtml, kLivePageScript, kLivePageStyle;

}  // namespace normkit
