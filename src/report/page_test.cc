// The SVG pictures and the HTML page.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "src/report/report.h"
#include "src/report/ticks.h"

namespace normkit {
namespace {

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The d of the n-th curve.
std::string PathOf(const std::string& svg, size_t n) {
  size_t at = svg.find("<path");
  while (n--) at = svg.find("<path", at + 1);
  const size_t begin = svg.find(" d=\"", at) + 4;
  return svg.substr(begin, svg.find('"', begin) - begin);
}

TEST(TicksTest, StepsAreOneTwoOrFive) {
  const Ticks ticks = LinearTicks(3, 97, 6, true, false);
  EXPECT_EQ(ticks.labels, (std::vector<std::string>{"0", "20", "40", "60", "80", "100"}));
  EXPECT_EQ(ticks.low, 0);
  EXPECT_EQ(ticks.high, 100);
  EXPECT_EQ(LinearTicks(0.011, 0.049, 4, true, false).labels,
            (std::vector<std::string>{"0.01", "0.02", "0.03", "0.04", "0.05"}));
  EXPECT_EQ(LinearTicks(-1, 1, 4, true, false).labels,
            (std::vector<std::string>{"-1.0", "-0.5", "0.0", "0.5", "1.0"}));
}

TEST(TicksTest, WholeNumbersStayWhole) {
  EXPECT_EQ(LinearTicks(1, 3, 10, false, true).labels, (std::vector<std::string>{"1", "2", "3"}));
}

TEST(TicksTest, OneValueGetsRoom) {
  for (const double value : {0.0, 5.0, -2.0, 1e-9, 1e12}) {
    const Ticks ticks = LinearTicks(value, value, 5, true, false);
    EXPECT_LT(ticks.low, value);
    EXPECT_GT(ticks.high, value);
    EXPECT_GE(ticks.values.size(), 2u);
    EXPECT_EQ(ticks.values.size(), ticks.labels.size());
  }
}

TEST(TicksTest, LogarithmicMarksArePowersOfTen) {
  EXPECT_EQ(LogTicks(1e-4, 10, 6).labels,
            (std::vector<std::string>{"0.0001", "0.001", "0.01", "0.1", "1", "10"}));
  EXPECT_EQ(LogTicks(0.5, 3, 6).labels, (std::vector<std::string>{"0.5", "1", "2"}));
  EXPECT_LE(LogTicks(1e-300, 1e300, 6).values.size(), 6u);
  EXPECT_GE(LogTicks(2.1, 2.2, 6).values.size(), 2u);
}

TEST(SvgTest, TextIsEscaped) {
  const std::string svg = ToSvg({.title = "a<b",
                                 .x_label = "x&y",
                                 .y_label = "\"q\"",
                                 .series = {{.name = "<script>", .points = {{0, 1}, {1, 2}}}}});
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(svg.find("a&lt;b"), std::string::npos);
  EXPECT_NE(svg.find("x&amp;y"), std::string::npos);
  EXPECT_NE(svg.find("&quot;q&quot;"), std::string::npos);
}

TEST(SvgTest, NotFinitePointsBreakTheLine) {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const std::string svg =
      ToSvg({.series = {{.points = {{0, 1}, {1, 2}, {2, nan}, {3, 4}, {4, 5}, {5, inf}, {6, 1}}}}});
  EXPECT_EQ(Count(PathOf(svg, 0), "M"), 3u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgTest, LogarithmicAxisLeavesOutWhatIsNotPositive) {
  const std::string svg = ToSvg(
      {.series = {{.points = {{0, 1}, {1, 0}, {2, 0.01}, {3, -5}, {4, 100}}}}, .log_y = true});
  EXPECT_EQ(Count(PathOf(svg, 0), "M"), 3u);
  EXPECT_EQ(Count(svg, "<circle"), 3u);
}

TEST(SvgTest, NothingToDraw) {
  for (const bool log_y : {false, true}) {
    EXPECT_NE(ToSvg({.log_y = log_y}).find("no data"), std::string::npos);
    EXPECT_NE(ToSvg({.series = {{.points = {{0, std::nan("")}}}}, .log_y = log_y}).find("no data"),
              std::string::npos);
  }
}

TEST(SvgTest, OnePoint) {
  const std::string svg = ToSvg({.series = {{.name = "one", .points = {{3, 7}}}}});
  EXPECT_EQ(Count(svg, "<circle"), 1u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(SvgTest, LongCurvesAreThinnedButKeepTheirPeaks) {
  Series series;
  for (int i = 0; i < 100000; ++i) series.points.push_back({i, i == 54321 ? 1000.0 : i % 2});
  const std::string path = PathOf(ToSvg({.series = {series}, .width = 640, .height = 360}), 0);
  EXPECT_LT(path.size(), 640u * 4 * 16);
  // The peak is the one point at the top of the axis.
  const std::string short_path =
      PathOf(ToSvg({.series = {{.points = {{0, 0}, {54321, 1000}, {99999, 1}}}}}), 0);
  const std::string peak = short_path.substr(short_path.find('L') + 1);
  EXPECT_NE(path.find(peak.substr(0, peak.find('L'))), std::string::npos);
}

TEST(SvgTest, HugeRangesStayFinite) {
  const std::string svg = ToSvg({.series = {{.points = {{0, -1e300}, {1, 1e300}, {2, 1e-300}}}}});
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(SvgTest, ColorsWrapAround) {
  const std::string svg = ToSvg({.series = {{.points = {{0, 1}}, .dashed = true, .color = 9}}});
  EXPECT_NE(svg.find("class=\"curve s1 dashed\""), std::string::npos);
}

TEST(HtmlTest, EscapesWhatHasAMeaning) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(EscapeHtml("größe\t\n"), "größe\t\n");
  EXPECT_EQ(EscapeHtml(std::string("a\0b\x1b", 4)),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd");
}

TEST(HtmlTest, EveryPartIsEscaped) {
  const std::string bad = "</title><script>alert(1)</script>";
  HtmlPage page(bad);
  page.Heading(bad);
  page.Paragraph(bad);
  page.Code(bad);
  page.Figures({{bad, bad}});
  page.Add(Table{{bad}, {{bad}}});
  page.Add(Plot{.title = bad, .x_label = bad, .y_label = bad, .series = {{.name = bad}}});
  EXPECT_EQ(page.ToString().find("<script"), std::string::npos);
  EXPECT_EQ(Count(page.ToString(), "</title>"), 1u + Count(page.ToString(), "<title>") - 1);
}

TEST(HtmlTest, StandsAlone) {
  HtmlPage page("report");
  page.Add(Plot{.series = {{.points = {{0, 1}, {1, 2}}}}});
  const std::string html = page.ToString();
  for (const char* outside : {"src=", "href=", "url(", "@import", "<script", "<link"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_EQ(html.rfind("<!doctype html>", 0), 0u);
}

TEST(HtmlTest, PlotsInARowShareAContainer) {
  HtmlPage page("report");
  page.Add(Plot{});
  page.Add(Plot{});
  page.Paragraph("between");
  page.Add(Plot{});
  const std::string html = page.ToString();
  EXPECT_EQ(Count(html, "<div class=\"plots\">"), 2u);
  EXPECT_EQ(Count(html, "<div"), Count(html, "</div>"));
}

TEST(HtmlTest, NumbersAreSetRight) {
  HtmlPage page("report");
  page.Add(Table{{"layer", "size"}, {{"conv", "12"}}});
  EXPECT_NE(page.ToString().find("<td>conv</td><td class=\"n\">12</td>"), std::string::npos);
}

TEST(HtmlPageTest, PicturesStandInThePage) {
  HtmlPage page("t");
  page.Add(
      std::vector<PagePicture>{{"a <b>", "M"}, {"c", "Ma"}, {"d", "Man"}, {"e", "\xff\xfe\xfd!"}});
  const std::string html = page.ToString();
  for (const char* part :
       {"<img alt=\"a &lt;b&gt;\" src=\"data:image/png;base64,TQ==\">", "base64,TWE=\"",
        "base64,TWFu\"", "base64,//79IQ==\"", "<figcaption>a &lt;b&gt;</figcaption>"})
    EXPECT_NE(html.find(part), html.npos) << part;
}

TEST(HtmlPage, ShadesCells) {
  HtmlPage page("x");
  page.Add(Table{{"a", "b"}, {{"1", "2"}, {"3", "4"}}}, {{0, 1}, {0.5}});
  const std::string html = page.ToString();
  EXPECT_THAT(html, testing::HasSubstr("<td class=\"n\">1</td>"));
  EXPECT_THAT(html, testing::HasSubstr("style=\"background:rgb(9 105 218 / 0.55)\">2</td>"));
  EXPECT_THAT(html, testing::HasSubstr("style=\"background:rgb(9 105 218 / 0.30)\">3</td>"));
  EXPECT_THAT(html, testing::HasSubstr("<td class=\"n\">4</td>"));
}

}  // namespace
}  // namespace normkit
