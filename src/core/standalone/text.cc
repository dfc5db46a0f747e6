// fmt's functions, compiled into libnormkit_norm instead of linked: its static library is not
// packaged.
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {

// Of those that its headers declare extern, what our code calls.
template dragonbox::decimal_fp<float> dragonbox::to_decimal(float) noexcept;
template dragonbox::decimal_fp<double> dragonbox::to_decimal(double) noexcept;
template thousands_sep_result<char> thousands_sep_impl(locale_ref);
template char decimal_point_impl(locale_ref);
template void buffer<char>::append(const char*, const char*);
template void vformat_to(buffer<char>&, string_view, basic_format_args<buffer_context<char>>,
                         locale_ref);

}  // namespace detail
FMT_END_NAMESPACE
