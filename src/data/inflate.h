// Decompression of what .gz and .npz files hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace normkit {

// Deflate cannot shrink anything by more than this: what claims more is corrupt.
inline constexpr uint64_t kMaxDeflateRatio = 1032;

// The first `max_bytes` bytes of the deflated stream, or all of them where it is shorter. Throws
// Error that begins with `where` for a corrupt or truncated stream. Memory grows with what comes
// out, so it is bounded by max_bytes and by the input's size times kMaxDeflateRatio.
std::string InflateRaw(std::string_view bytes, uint64_t max_bytes, std::string_view where);

// The same for a gzip file (of one or several members).
std::string InflateGzip(std::string_view bytes, uint64_t max_bytes, std::string_view where);

// Whether the bytes begin as a gzip file does.
bool IsGzip(std::string_view bytes);

}  // namespace normkit
