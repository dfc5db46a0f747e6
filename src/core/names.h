// Enumerations whose values have names: one array per enumeration, for files and command lines.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace normkit {

// Specialized for each enumeration: kWhat, what a value is ("solver"), and kNames in the order of
// the values.
template <class E>
struct EnumNames;

// The index of the name that `text` stands for, in any spelling of the same letters ("EveryEpoch",
// "every_epoch"); -1: none.
int FindName(std::string_view text, std::span<const std::string_view> names);

// Throws Error "solver 'adma' is unknown, expected sgdm, adam, rmsprop, did you mean 'adam'?".
int ParseName(std::string_view what, std::string_view text,
              std::span<const std::string_view> names);

template <class E>
std::string_view NameOf(E value) {
  return EnumNames<E>::kNames[static_cast<size_t>(value)];
}

template <class E>
E ParseNamed(std::string_view text) {
  return static_cast<E>(ParseName(EnumNames<E>::kWhat, text, EnumNames<E>::kNames));
}

}  // namespace normkit
