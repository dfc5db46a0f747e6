#include "src/data/glyphs.h"

#include <algorithm>
#include <array>

namespace normkit {
namespace {

Stroke Curve(std::vector<Point> points) { return {true, std::move(points)}; }
Stroke Lines(std::vector<Point> points) { return {false, std::move(points)}; }

using Variants = std::vector<Glyph>;

Variants Zero() {
  return {
      {Curve({{.02, -.5},
              {-.19, -.36},
              {-.27, 0},
              {-.19, .36},
              {0, .5},
              {.19, .36},
              {.27, 0},
              {.19, -.36},
              {0, -.5}})},
      {Curve({{.16, -.42},
              {-.04, -.5},
              {-.26, -.3},
              {-.31, .05},
              {-.2, .38},
              {.02, .5},
              {.24, .36},
              {.31, .02},
              {.24, -.32},
              {.06, -.47},
              {-.08, -.42}})},
  };
}

Variants One() {
  return {
      {Lines({{0, -.5}, {0, .5}})},
      {Lines({{-.17, -.28}, {.03, -.5}, {.03, .5}})},
      {Lines({{-.15, -.34}, {.02, -.5}, {.02, .5}}), Lines({{-.18, .5}, {.2, .5}})},
  };
}

Variants Two() {
  return {
      {Curve({{-.25, -.27},
              {-.16, -.45},
              {.04, -.5},
              {.22, -.39},
              {.22, -.17},
              {.02, .14},
              {-.26, .49}}),
       Lines({{-.26, .49}, {.28, .49}})},
      {Curve({{-.23, -.32},
              {-.06, -.5},
              {.18, -.42},
              {.21, -.18},
              {.03, .18},
              {-.19, .44},
              {-.28, .35},
              {-.14, .3},
              {.09, .45},
              {.3, .42}})},
  };
}

Variants Three() {
  return {
      {Curve({{-.24, -.38}, {-.04, -.5}, {.18, -.42}, {.2, -.2}, {.05, -.05}, {-.1, -.02}}),
       Curve({{-.1, -.02}, {.14, .03}, {.26, .22}, {.18, .42}, {-.04, .5}, {-.26, .38}})},
      {Lines({{-.24, -.49}, {.22, -.49}, {-.04, -.1}}),
       Curve({{-.04, -.1}, {.19, -.01}, {.26, .21}, {.14, .44}, {-.08, .5}, {-.27, .39}})},
  };
}

Variants Four() {
  return {
      {Lines({{-.12, -.5}, {-.27, .1}, {.3, .1}}), Lines({{.13, -.3}, {.12, .5}})},
      {Lines({{.12, .5}, {.12, -.5}, {-.28, .17}, {.3, .17}})},
  };
}

Variants Five() {
  return {
      {Lines({{.24, -.49}, {-.18, -.49}, {-.22, -.05}}),
       Curve(
           {{-.22, -.05}, {0, -.14}, {.21, -.02}, {.26, .22}, {.1, .45}, {-.09, .5}, {-.27, .4}})},
      {Curve({{.22, -.5}, {.02, -.46}, {-.16, -.48}}), Lines({{-.16, -.48}, {-.14, -.08}}),
       Curve({{-.14, -.08}, {.08, -.1}, {.22, .1}, {.2, .34}, {.02, .49}, {-.22, .46}})},
  };
}

Variants Six() {
  return {
      {Curve({{.2, -.46},
              {0, -.42},
              {-.18, -.2},
              {-.26, .12},
              {-.18, .4},
              {.02, .5},
              {.2, .4},
              {.24, .2},
              {.12, .02},
              {-.06, .02},
              {-.23, .2}})},
      {Curve({{.1, -.5},
              {-.1, -.22},
              {-.23, .1},
              {-.2, .37},
              {0, .5},
              {.2, .38},
              {.22, .16},
              {.05, .04},
              {-.13, .1},
              {-.22, .26}})},
  };
}

Variants Seven() {
  return {
      {Lines({{-.26, -.49}, {.26, -.49}, {-.06, .5}})},
      {Lines({{-.26, -.49}, {.26, -.49}, {-.06, .5}}), Lines({{-.12, .01}, {.22, .01}})},
      {Lines({{-.27, -.34}, {-.25, -.48}, {.26, -.48}}),
       Curve({{.26, -.48}, {.09, -.12}, {-.02, .2}, {-.06, .5}})},
  };
}

Variants Eight() {
  return {
      {Curve({{.2, -.36},
              {.02, -.5},
              {-.18, -.38},
              {-.15, -.19},
              {.03, -.03},
              {.22, .16},
              {.21, .38},
              {0, .5},
              {-.21, .38},
              {-.22, .16},
              {-.03, -.03},
              {.16, -.19},
              {.2, -.38}})},
      {Curve({{.02, -.5}, {-.18, -.4}, {-.18, -.16}, {0, -.04}, {.18, -.16}, {.18, -.4}, {0, -.5}}),
       Curve({{.02, -.04}, {-.22, .1}, {-.23, .38}, {0, .5}, {.23, .38}, {.22, .1}, {0, -.04}})},
  };
}

Variants Nine() {
  return {
      {Curve({{.22, -.3},
              {.06, -.5},
              {-.17, -.43},
              {-.22, -.2},
              {-.07, -.04},
              {.14, -.1},
              {.22, -.32}}),
       Lines({{.22, -.34}, {.17, .5}})},
      {Curve({{.22, -.26},
              {.08, -.48},
              {-.15, -.44},
              {-.23, -.22},
              {-.1, -.02},
              {.12, -.08},
              {.22, -.3},
              {.24, 0},
              {.16, .34},
              {-.02, .5},
              {-.2, .42}})},
  };
}

Point Spline(Point a, Point b, Point c, Point d, double t) {
  const auto at = [t](double p0, double p1, double p2, double p3) {
    return p1 +
           0.5 * t *
               ((p2 - p0) + t * ((2 * p0 - 5 * p1 + 4 * p2 - p3) + t * (3 * (p1 - p2) + p3 - p0)));
  };
  return {at(a.x, b.x, c.x, d.x), at(a.y, b.y, c.y, d.y)};
}

}  // namespace

const std::vector<Glyph>& GlyphsOf(int digit) {
  static const std::array<Variants, 10> glyphs = {Zero(), One(), Two(),   Three(), Four(),
                                                  Five(), Six(), Seven(), Eight(), Nine()};
  return glyphs[static_cast<size_t>(digit)];
}

std::vector<Point> Flatten(const Stroke& stroke, int steps) {
  const std::vector<Point>& p = stroke.points;
  if (!stroke.smooth) return p;
  std::vector<Point> chain;
  const size_t last = p.size() - 1;
  for (size_t i = 0; i < last; ++i)
    for (int k = 0; k < steps; ++k)
      chain.push_back(Spline(p[i > 0 ? i - 1 : 0], p[i], p[i + 1], p[std::min(i + 2, last)],
                             static_cast<double>(k) / steps));
  chain.push_back(p[last]);
  return chain;
}

}  // namespace normkit
