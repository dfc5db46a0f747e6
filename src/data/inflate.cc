#include "src/data/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "src/core/fail.h"

namespace normkit {
namespace {

constexpr int kRawWindow = -MAX_WBITS, kGzipWindow = 16 + MAX_WBITS;

// One deflated stream.
class Inflater {
 public:
  Inflater(std::string_view bytes, int window, std::string_view where)
      : rest_(bytes), where_(where) {
    if (inflateInit2(&stream_, window) != Z_OK) Fail("{}: zlib cannot be started", where_);
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Appends up to max_bytes in all to `out`, until the stream ends.
  void AppendTo(std::string& out, uint64_t max_bytes) {
    char buffer[1 << 15];
    int status = Z_OK;
    while (status != Z_STREAM_END && out.size() < max_bytes) {
      Feed();
      stream_.next_out = reinterpret_cast<Bytef*>(buffer);
      stream_.avail_out =
          static_cast<uInt>(std::min<uint64_t>(sizeof buffer, max_bytes - out.size()));
      status = inflate(&stream_, Z_NO_FLUSH);
      const auto produced = static_cast<size_t>(reinterpret_cast<char*>(stream_.next_out) - buffer);
      out.append(buffer, produced);
      if (status == Z_OK || status == Z_STREAM_END) continue;
      if (status == Z_BUF_ERROR && stream_.avail_in == 0)
        Fail("{}: the compressed data ends too early, after {} bytes decompressed", where_,
             out.size());
      Fail("{}: the compressed data is corrupt after {} bytes decompressed ({})", where_,
           out.size(), stream_.msg ? stream_.msg : "zlib gives no reason");
    }
    ended_ = status == Z_STREAM_END;
  }

  bool ended() const { return ended_; }
  // What follows the stream.
  std::string_view rest() const {
    return {rest_.data() - stream_.avail_in, rest_.size() + stream_.avail_in};
  }

 private:
  void Feed() {
    if (stream_.avail_in > 0 || rest_.empty()) return;
    const size_t size = std::min<size_t>(rest_.size(), size_t{1} << 30);  // avail_in has 32 bits
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
    stream_.avail_in = static_cast<uInt>(size);
    rest_.remove_prefix(size);
  }

  z_stream stream_{};
  std::string_view rest_;
  std::string_view where_;
  bool ended_ = false;
};

}  // namespace

std::string InflateRaw(std::string_view bytes, uint64_t max_bytes, std::string_view where) {
  std::string out;
  Inflater(bytes, kRawWindow, where).AppendTo(out, max_bytes);
  return out;
}

std::string InflateGzip(std::string_view bytes, uint64_t max_bytes, std::string_view where) {
  std::string out;
  do {
    Inflater inflater(bytes, kGzipWindow, where);
    inflater.AppendTo(out, max_bytes);
    if (!inflater.ended()) break;
    bytes = inflater.rest();
  } while (IsGzip(bytes));
  return out;
}

bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

}  // namespace normkit
