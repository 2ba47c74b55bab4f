#include "services/invoicing/render/pdf.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>
#include <qrencode.h>
#include <zint.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "libs/status/error.h"

namespace broadbill::invoicing {
namespace {

constexpr double kMargin = 48;  // points
constexpr double kFooterHeight = 44;
constexpr double kScale = 1.08;  // all type, at once
constexpr char kFont[] = "DejaVu Sans";

struct Color {
  double r = 0, g = 0, b = 0;
};
constexpr Color kInk{0.13, 0.15, 0.18};
constexpr Color kMuted{0.42, 0.46, 0.50};
constexpr Color kRule{0.84, 0.87, 0.89};
constexpr Color kShade{0.955, 0.966, 0.972};

Color ParseColor(const std::string& text) {
  if (text.size() != 7 || text[0] != '#') return {0.04, 0.36, 0.48};
  const auto part = [&](size_t at) {
    return static_cast<double>(std::strtol(text.substr(at, 2).c_str(), nullptr, 16)) / 255.0;
  };
  return {part(1), part(3), part(5)};
}

enum class Align { kLeft, kRight, kCenter };

struct Style {
  double size = 8.5;  // points
  bool bold = false;
  Color color = kInk;
  Align align = Align::kLeft;
};

cairo_status_t Append(void* closure, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(closure)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

// Whether the first letter of a text belongs to a script that is written from right to left.
bool RunsFromRight(const std::string& text) {
  const char* end = text.c_str() + text.size();
  for (const char* at = text.c_str(); at < end; at = g_utf8_next_char(at)) {
    const gunichar c = g_utf8_get_char(at);
    if ((c >= 0x590 && c <= 0x8FF) || (c >= 0xFB1D && c <= 0xFEFF) || c == 0x200F) return true;
    if (g_unichar_isalpha(c)) return false;
  }
  return false;
}

// A page-by-page canvas with a running position.
class Canvas {
 public:
  Canvas(bool letter, bool mirrored, std::string* out)
      : mirrored_(mirrored),
        width_(letter ? 612 : 595.28),
        height_(letter ? 792 : 841.89),
        surface_(cairo_pdf_surface_create_for_stream(out == nullptr ? nullptr : Append, out, width_,
                                                     height_)),
        cairo_(cairo_create(surface_)) {}
  ~Canvas() {
    cairo_destroy(cairo_);
    cairo_surface_destroy(surface_);
  }
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  double width() const { return width_; }
  double height() const { return height_; }
  double right() const { return width_ - kMargin; }
  double body_width() const { return width_ - 2 * kMargin; }
  cairo_t* cairo() { return cairo_; }
  cairo_surface_t* surface() { return surface_; }
  // Where a box begins on paper.
  double Left(double x, double w) const { return mirrored_ ? width_ - x - w : x; }

  // Draws wrapped text in a box `w` wide at (x, y); returns its height. With `draw` false only
  // measures.
  double Text(double x, double y, double w, const std::string& text, const Style& style,
              bool draw = true) {
    if (text.empty()) return 0;
    PangoLayout* layout = pango_cairo_create_layout(cairo_);
    PangoFontDescription* font = pango_font_description_from_string(kFont);
    // Absolute: points of the page, whatever resolution the surface assumes.
    pango_font_description_set_absolute_size(font, style.size * kScale * PANGO_SCALE);
    pango_font_description_set_weight(font, style.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_width(layout, static_cast<int>(w * PANGO_SCALE));
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    // A text runs as its first letter does (names and addresses are in any script), wherever it
    // stands; numbers alone run from left to right.
    pango_context_set_base_dir(pango_layout_get_context(layout),
                               RunsFromRight(text) ? PANGO_DIRECTION_RTL : PANGO_DIRECTION_LTR);
    pango_layout_set_auto_dir(layout, FALSE);
    const bool right = (style.align == Align::kRight) != mirrored_;
    pango_layout_set_alignment(layout, style.align == Align::kCenter ? PANGO_ALIGN_CENTER
                                       : right                       ? PANGO_ALIGN_RIGHT
                                                                     : PANGO_ALIGN_LEFT);
    pango_layout_set_text(layout, text.c_str(), static_cast<int>(text.size()));
    int pixel_height = 0;
    pango_layout_get_size(layout, nullptr, &pixel_height);
    if (draw) {
      cairo_set_source_rgb(cairo_, style.color.r, style.color.g, style.color.b);
      cairo_move_to(cairo_, Left(x, w), y);
      pango_cairo_show_layout(cairo_, layout);
    }
    pango_font_description_free(font);
    g_object_unref(layout);
    return static_cast<double>(pixel_height) / PANGO_SCALE;
  }

  // The size, `size` or less, in which a text fits on one line.
  double Fit(const std::string& text, double w, Style style) {
    const double line = Text(0, 0, 10'000, "X", style, false);
    while (style.size > 7 && Text(0, 0, w, text, style, false) > line * 1.5) style.size -= 0.5;
    return style.size;
  }

  void Fill(double x, double y, double w, double h, const Color& color, double radius = 0) {
    x = Left(x, w);
    cairo_set_source_rgb(cairo_, color.r, color.g, color.b);
    if (radius <= 0) {
      cairo_rectangle(cairo_, x, y, w, h);
    } else {
      cairo_new_sub_path(cairo_);
      cairo_arc(cairo_, x + w - radius, y + radius, radius, -1.5708, 0);
      cairo_arc(cairo_, x + w - radius, y + h - radius, radius, 0, 1.5708);
      cairo_arc(cairo_, x + radius, y + h - radius, radius, 1.5708, 3.1416);
      cairo_arc(cairo_, x + radius, y + radius, radius, 3.1416, 4.7124);
      cairo_close_path(cairo_);
    }
    cairo_fill(cairo_);
  }

  void Rule(double x, double y, double w, const Color& color, double thickness = 0.6) {
    x = Left(x, w);
    cairo_set_source_rgb(cairo_, color.r, color.g, color.b);
    cairo_set_line_width(cairo_, thickness);
    cairo_move_to(cairo_, x, y);
    cairo_line_to(cairo_, x + w, y);
    cairo_stroke(cairo_);
  }

 private:
  const bool mirrored_;
  double width_;
  double height_;
  cairo_surface_t* surface_;
  cairo_t* cairo_;
};

bool FontIsThere() {
  PangoFontMap* fonts = pango_cairo_font_map_get_default();
  PangoContext* context = pango_font_map_create_context(fonts);
  PangoFontDescription* wanted = pango_font_description_from_string(kFont);
  PangoFont* font = pango_font_map_load_font(fonts, context, wanted);
  bool there = false;
  if (font != nullptr) {
    PangoFontDescription* loaded = pango_font_describe(font);
    there = std::string(pango_font_description_get_family(loaded)) == kFont;
    pango_font_description_free(loaded);
    g_object_unref(font);
  }
  pango_font_description_free(wanted);
  g_object_unref(context);
  return there;
}

std::string Initials(const std::string& name) {
  std::string out;
  bool at_word = true;
  for (const char c : name) {
    if (at_word && std::isalpha(static_cast<unsigned char>(c)) != 0 && out.size() < 2) {
      out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    at_word = c == ' ';
  }
  return out.empty() ? "B" : out;
}

class Document {
 public:
  Document(const RenderInput& input, std::string* out, int pages_known)
      : in_(input),
        canvas_(input.letter, input.texts->right_to_left(), out),
        accent_(ParseColor(input.accent)),
        pages_known_(pages_known) {
    if (out == nullptr) return;
    cairo_surface_t* surface = canvas_.surface();
    const std::string title = in_.title + (in_.number.empty() ? "" : " " + in_.number);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title.c_str());
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_AUTHOR, in_.seller.name.c_str());
    const std::string date = in_.iso_date + "T00:00:00Z";
    if (!in_.iso_date.empty()) {
      cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, date.c_str());
      cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_MOD_DATE, date.c_str());
    }
  }

  // Draws everything; returns the number of pages.
  int Draw() {
    Mark();
    FirstHeader();
    if (!in_.statement.empty()) Statement();
    Lines();
    Summary();
    Payment();
    Footer();
    cairo_show_page(canvas_.cairo());
    cairo_surface_finish(canvas_.surface());
    return page_;
  }

  cairo_status_t status() { return cairo_surface_status(canvas_.surface()); }

 private:
  double Bottom() const { return canvas_.height() - kMargin - kFooterHeight; }
  const Texts& T() const { return *in_.texts; }

  // Across the page, under everything else.
  void Mark() {
    if (in_.mark.empty()) return;
    cairo_t* cairo = canvas_.cairo();
    const double w = canvas_.height();
    const Style style{.size = 56, .bold = true, .color = kShade, .align = Align::kCenter};
    cairo_save(cairo);
    cairo_translate(cairo, canvas_.width() / 2, canvas_.height() / 2);
    cairo_rotate(cairo, -0.9);
    const double h = canvas_.Text(0, 0, w, in_.mark, style, false);
    // The box around the origin, whichever way the page is mirrored.
    const double x = canvas_.Left(0, 0) > 0 ? canvas_.width() - w / 2 : -w / 2;
    canvas_.Text(x, -h / 2, w, in_.mark, style);
    cairo_restore(cairo);
  }

  void Footer() {
    const double y = canvas_.height() - kMargin - 14;
    canvas_.Rule(kMargin, y - 8, canvas_.body_width(), kRule);
    std::string left = in_.seller.name;
    if (!in_.seller.contact.empty()) left += "  ·  " + in_.seller.contact;
    canvas_.Text(kMargin, y, canvas_.body_width() - 90, left, {.size = 7, .color = kMuted});
    const std::string page =
        T().Get(Word::kPage, {{"page", std::to_string(page_)},
                              {"pages", std::to_string(std::max(pages_known_, page_))}});
    canvas_.Text(canvas_.right() - 90, y, 90, page,
                 {.size = 7, .color = kMuted, .align = Align::kRight});
  }

  void NewPage() {
    Footer();
    cairo_show_page(canvas_.cairo());
    ++page_;
    Mark();
    y_ = kMargin;
    const double half = canvas_.body_width() / 2 - 8;
    const std::string what =
        in_.title + (in_.number.empty() ? "" : "  " + in_.number) + "  ·  " + in_.customer.name;
    const double left = canvas_.Text(kMargin, y_, half, in_.seller.name,
                                     {.size = 9, .bold = true, .color = accent_});
    const double right = canvas_.Text(kMargin + half + 16, y_, half, what,
                                      {.size = 8, .color = kMuted, .align = Align::kRight});
    y_ += std::max(left, right) + 4;
    canvas_.Rule(kMargin, y_, canvas_.body_width(), accent_, 1.2);
    y_ += 14;
  }

  // True when a page break was made.
  bool Need(double height) {
    if (y_ + height <= Bottom()) return false;
    NewPage();
    return true;
  }

  // The number runs from left to right in any language.
  std::string TaxId(const RenderParty& party) const {
    if (party.tax_id.empty()) return "";
    const char* mark = T().right_to_left() ? "\u200e" : "";
    return T().Get(Word::kTaxId) + " " + mark + party.tax_id + mark;
  }

  double Party(double x, double y, double w, const RenderParty& party, const Style& name_style) {
    double at = y;
    at += canvas_.Text(x, at, w, party.name, name_style) + 1.5;
    for (const std::string& line : party.address) {
      if (!line.empty()) at += canvas_.Text(x, at, w, line, {.size = 8.5, .color = kInk}) + 0.5;
    }
    if (!party.tax_id.empty()) {
      at += canvas_.Text(x, at, w, TaxId(party), {.size = 8, .color = kMuted});
    }
    return at - y;
  }

  // The image in a box of 110 × 40; returns its width, 0 when there is none or it is broken.
  double Image(double x, double y) {
    if (in_.logo_png.empty()) return 0;
    struct Source {
      const std::string& data;
      size_t at;
    } source{in_.logo_png, 0};
    const auto read = [](void* closure, unsigned char* to, unsigned int length) {
      auto* from = static_cast<Source*>(closure);
      if (from->data.size() - from->at < length) return CAIRO_STATUS_READ_ERROR;
      std::copy_n(from->data.begin() + static_cast<std::ptrdiff_t>(from->at), length, to);
      from->at += length;
      return CAIRO_STATUS_SUCCESS;
    };
    cairo_surface_t* image = cairo_image_surface_create_from_png_stream(read, &source);
    double width = 0;
    const int pixels = cairo_image_surface_get_width(image);
    const int rows = cairo_image_surface_get_height(image);
    if (cairo_surface_status(image) == CAIRO_STATUS_SUCCESS && pixels > 0 && rows > 0) {
      const double scale = std::min(110.0 / pixels, 40.0 / rows);
      width = pixels * scale;
      cairo_t* cairo = canvas_.cairo();
      cairo_save(cairo);
      cairo_translate(cairo, canvas_.Left(x, width), y);
      cairo_scale(cairo, scale, scale);
      cairo_set_source_surface(cairo, image, 0, 0);
      cairo_paint(cairo);
      cairo_restore(cairo);
    }
    cairo_surface_destroy(image);
    return width;
  }

  // Image or initials; returns the width it took.
  double Logo(double x, double y) {
    const double width = Image(x, y);
    if (width > 0) return width;
    canvas_.Fill(x, y, 40, 40, accent_, 9);
    canvas_.Text(x, y + 10, 40, Initials(in_.logo_text.empty() ? in_.seller.name : in_.logo_text),
                 {.size = 15, .bold = true, .color = {1, 1, 1}, .align = Align::kCenter});
    return 40;
  }

  void FirstHeader() {
    canvas_.Fill(0, 0, canvas_.width(), 5, accent_);
    const double x = kMargin + Logo(kMargin, kMargin - 4) + 12;
    const double title_width = 210;
    const double w = canvas_.right() - title_width - 14 - x;
    double y = kMargin - 2;
    const Style name{.size = 13, .bold = true, .color = kInk};
    y += canvas_.Text(x, y, w, in_.logo_text.empty() ? in_.seller.name : in_.logo_text, name) + 2;
    std::string address =
        in_.logo_text.empty() || in_.logo_text == in_.seller.name ? "" : in_.seller.name;
    for (const std::string& line : in_.seller.address) {
      if (!line.empty()) address += (address.empty() ? "" : ", ") + line;
    }
    y += canvas_.Text(x, y, w, address, {.size = 7.5, .color = kMuted});
    y += canvas_.Text(x, y, w, TaxId(in_.seller), {.size = 7.5, .color = kMuted});
    Style title{.size = 21, .bold = true, .color = accent_, .align = Align::kRight};
    title.size = canvas_.Fit(in_.title, title_width, title);
    canvas_.Text(canvas_.right() - title_width, kMargin - 6, title_width, in_.title, title);
    canvas_.Text(canvas_.right() - title_width, kMargin + 21, title_width, in_.number,
                 {.size = 10, .color = kMuted, .align = Align::kRight});
    y_ = std::max(kMargin + 62, y + 16);
    const double top = y_;
    canvas_.Text(kMargin, y_, 220, T().Get(Word::kBillTo),
                 {.size = 7.5, .bold = true, .color = kMuted});
    const double party = Party(kMargin, y_ + 12, 250, in_.customer, {.size = 10, .bold = true});
    const double box = Facts(top);
    y_ = top + std::max(party + 12, box) + 20;
  }

  // The dates and the payable amount, in a shaded box at the right; returns its height.
  double Facts(double top) {
    const double w = 232;
    const double x = canvas_.right() - w;
    const Style label{.size = 8, .color = kMuted};
    const Style value{.size = 8.5, .align = Align::kRight};
    const double label_width = 76;
    double h = 14 + 34;
    std::vector<double> heights;
    for (const auto& [name, text] : in_.facts) {
      const double row = std::max(canvas_.Text(0, 0, label_width, name, label, false),
                                  canvas_.Text(0, 0, w - 28 - label_width, text, value, false));
      heights.push_back(std::max(14.0, row + 3));
      h += heights.back();
    }
    canvas_.Fill(x, top - 4, w, h, kShade, 6);
    double y = top + 5;
    for (size_t i = 0; i < in_.facts.size(); ++i) {
      canvas_.Text(x + 12, y, label_width, in_.facts[i].first, label);
      canvas_.Text(x + 16 + label_width, y, w - 28 - label_width, in_.facts[i].second, value);
      y += heights[i];
    }
    canvas_.Rule(x + 12, y + 3, w - 24, kRule);
    Payable(x + 12, y + 9, w - 24, {.size = 9, .bold = true}, accent_, 13);
    return h;
  }

  // The payable figure at the right, its label beside it.
  void Payable(double x, double y, double w, Style label, const Color& color, double size) {
    Style figure{.size = size, .bold = true, .color = color, .align = Align::kRight};
    figure.size = canvas_.Fit(in_.payable.amount, w * 0.6, figure);
    label.size = canvas_.Fit(in_.payable.label, w * 0.4, label);
    const double h = canvas_.Text(0, 0, w, in_.payable.amount, figure, false);
    const double label_h = canvas_.Text(0, 0, w * 0.4, in_.payable.label, label, false);
    canvas_.Text(x, y + (h - label_h) / 2, w * 0.4, in_.payable.label, label);
    canvas_.Text(x + w * 0.4, y, w * 0.6, in_.payable.amount, figure);
  }

  void Heading(const std::string& text) {
    y_ += canvas_.Text(kMargin, y_, canvas_.body_width(), text,
                       {.size = 9.5, .bold = true, .color = accent_}) +
          5;
  }

  void Statement() {
    Heading(T().Get(Word::kSummary));
    for (const RenderTotal& row : in_.statement) {
      canvas_.Text(kMargin, y_, 330, row.label, {.size = 8.5, .bold = row.strong});
      canvas_.Text(canvas_.right() - 120, y_, 120, row.amount,
                   {.size = 8.5, .bold = row.strong, .align = Align::kRight});
      y_ += 13.5;
      canvas_.Rule(kMargin, y_ - 1, canvas_.body_width(), kRule, 0.4);
      y_ += 2;
    }
    y_ += 14;
  }

  // The detail stands below quantity and price and may run under them.
  struct Columns {
    double quantity, unit, amount, description_width, detail_width;
  };
  Columns Layout() const {
    const double right = canvas_.right();
    return {right - 208, right - 148, right - 78, canvas_.body_width() - 224,
            canvas_.body_width() - 90};
  }

  void TableHead() {
    const Columns c = Layout();
    const Style head{.size = 7.5, .bold = true, .color = kMuted};
    Style right = head;
    right.align = Align::kRight;
    canvas_.Text(kMargin, y_, 200, T().Get(Word::kDescription), head);
    canvas_.Text(c.quantity, y_, 50, T().Get(Word::kQuantity), right);
    canvas_.Text(c.unit, y_, 64, T().Get(Word::kPrice), right);
    canvas_.Text(c.amount, y_, 78, T().Get(Word::kAmount), right);
    y_ += 12;
    canvas_.Rule(kMargin, y_, canvas_.body_width(), accent_, 1);
    y_ += 7;
  }

  double LineHeight(const RenderLine& line) {
    const double w = Layout().description_width;
    double h = canvas_.Text(0, 0, w, line.description, {.size = 8.5}, false);
    if (!line.detail.empty()) {
      h += 1 + canvas_.Text(0, 0, Layout().detail_width, line.detail,
                            {.size = 7.5, .color = kMuted}, false);
    }
    return h + 8;
  }

  void Line(const RenderLine& line) {
    const Columns c = Layout();
    const Color ink = line.is_discount ? Color{0.10, 0.45, 0.25} : kInk;
    const Style right{.size = 8.5, .color = ink, .align = Align::kRight};
    double y = y_;
    y += canvas_.Text(kMargin, y, c.description_width, line.description,
                      {.size = 8.5, .color = ink});
    canvas_.Text(kMargin, y + 1, c.detail_width, line.detail, {.size = 7.5, .color = kMuted});
    canvas_.Text(c.quantity, y_, 50, line.quantity, right);
    canvas_.Text(c.unit, y_, 64, line.unit_price, right);
    canvas_.Text(c.amount, y_, 78, line.amount, right);
    y_ += LineHeight(line);
    canvas_.Rule(kMargin, y_ - 4, canvas_.body_width(), kRule, 0.4);
  }

  void Lines() {
    TableHead();
    for (const RenderGroup& group : in_.groups) {
      const double first = group.lines.empty() ? 0 : LineHeight(group.lines.front());
      if (Need(20 + first)) TableHead();
      if (!group.heading.empty()) {
        y_ += canvas_.Text(kMargin, y_, canvas_.body_width(), group.heading,
                           {.size = 8.5, .bold = true}) +
              5;
      }
      for (const RenderLine& line : group.lines) {
        if (Need(LineHeight(line))) TableHead();
        Line(line);
      }
      y_ += 6;
    }
  }

  double SummaryHeight() const {
    const double taxes =
        (in_.taxes.empty() ? 0 : 16 + 12.5 * static_cast<double>(in_.taxes.size())) +
        12.5 * static_cast<double>(in_.tax_notes.size());
    const double totals = 14.5 * static_cast<double>(in_.totals.size()) + 34;
    return std::max(taxes, totals) + 10;
  }

  // Taxes at the left, totals at the right.
  void Summary() {
    Need(std::min(SummaryHeight(), Bottom() - kMargin - 40));
    y_ += 4;
    const double top = y_;
    const bool any = !in_.taxes.empty() || !in_.tax_notes.empty();
    const double left_bottom = any ? TaxTable(top) : top;
    const double w = 200;
    const double x = canvas_.right() - w;
    double y = top;
    for (const RenderTotal& total : in_.totals) {
      canvas_.Text(x, y, 120, total.label,
                   {.size = 8.5, .bold = total.strong, .color = total.strong ? kInk : kMuted});
      canvas_.Text(x + 90, y, w - 90, total.amount,
                   {.size = 8.5, .bold = total.strong, .align = Align::kRight});
      y += 14.5;
    }
    canvas_.Fill(x - 10, y + 1, w + 10, 24, accent_, 5);
    Payable(x, y + 6, w - 8, {.size = 9, .bold = true, .color = {1, 1, 1}}, {1, 1, 1}, 11);
    y_ = std::max(left_bottom, y + 30) + 16;
  }

  double TaxTable(double top) {
    const double w = canvas_.body_width() - 236;
    const Style head{.size = 7, .bold = true, .color = kMuted};
    Style right = head;
    right.align = Align::kRight;
    double y = top;
    if (in_.taxes.empty()) return Notes(y, w);
    canvas_.Text(kMargin, y, 140, T().Get(Word::kTaxes), head);
    canvas_.Text(kMargin + w - 150, y, 46, T().Get(Word::kRate), right);
    canvas_.Text(kMargin + w - 102, y, 50, T().Get(Word::kBase), right);
    canvas_.Text(kMargin + w - 50, y, 50, T().Get(Word::kTax), right);
    y += 11;
    canvas_.Rule(kMargin, y, w, kRule);
    y += 4;
    for (const RenderTax& tax : in_.taxes) {
      if (y + 12 > Bottom()) {
        NewPage();
        y = y_;
      }
      const Style cell{.size = 7.5};
      Style number = cell;
      number.align = Align::kRight;
      const double h = canvas_.Text(kMargin, y, w - 152, tax.name, cell);
      canvas_.Text(kMargin + w - 150, y, 46, tax.rate, number);
      canvas_.Text(kMargin + w - 102, y, 50, tax.base, number);
      canvas_.Text(kMargin + w - 50, y, 50, tax.amount, number);
      y += std::max(h, 9.0) + 3;
    }
    return Notes(y, w);
  }

  double Notes(double y, double w) {
    for (const std::string& note : in_.tax_notes) {
      y += canvas_.Text(kMargin, y, w, note, {.size = 7.5, .color = kMuted}) + 2;
    }
    return y;
  }

  void Qr(double x, double y, double side) {
    QRcode* code = QRcode_encodeString(in_.payment_code.c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (code == nullptr) return;
    const double cell = side / code->width;
    x = canvas_.Left(x, side);
    cairo_set_source_rgb(canvas_.cairo(), 0, 0, 0);
    for (int row = 0; row < code->width; ++row) {
      for (int column = 0; column < code->width; ++column) {
        if ((code->data[row * code->width + column] & 1) == 0) continue;
        cairo_rectangle(canvas_.cairo(), x + column * cell, y + row * cell, cell, cell);
      }
    }
    cairo_fill(canvas_.cairo());
    QRcode_free(code);
  }

  void Bars(double x, double y, double h) {
    const std::vector<bool> bars = Code128(in_.barcode);
    if (bars.empty()) return;
    constexpr double kModule = 0.85;
    const double w = kModule * static_cast<double>(bars.size());
    x = canvas_.Left(x, w);
    cairo_set_source_rgb(canvas_.cairo(), 0, 0, 0);
    for (size_t i = 0; i < bars.size(); ++i) {
      if (!bars[i]) continue;
      cairo_rectangle(canvas_.cairo(), x + kModule * static_cast<double>(i), y, kModule, h);
    }
    cairo_fill(canvas_.cairo());
  }

  double PaymentHeight(double w) {
    double h = in_.payment.empty() ? 0 : 20;
    for (const std::string& paragraph : in_.payment) {
      h += canvas_.Text(0, 0, w, paragraph, {.size = 8.5}, false) + 3;
    }
    if (!in_.note.empty()) h += 6 + canvas_.Text(0, 0, w, in_.note, {.size = 8}, false);
    if (!in_.barcode.empty()) h += 42;
    return std::max(h, in_.payment_code.empty() ? 0.0 : 96.0);
  }

  // How to pay, with the codes for machines; the block stays together.
  void Payment() {
    if (in_.payment.empty() && in_.payment_code.empty() && in_.note.empty()) return;
    const double code = in_.payment_code.empty() ? 0 : 82;
    const double w = canvas_.body_width() - (code > 0 ? code + 30 : 0);
    Need(std::min(PaymentHeight(w), Bottom() - kMargin - 40));
    const double top = y_;
    if (!in_.payment.empty()) Heading(T().Get(Word::kHowToPay));
    for (const std::string& paragraph : in_.payment) {
      y_ += canvas_.Text(kMargin, y_, w, paragraph, {.size = 8.5}) + 3;
    }
    if (!in_.note.empty()) {
      y_ += 6;
      y_ += canvas_.Text(kMargin, y_, w, in_.note, {.size = 8, .color = kMuted});
    }
    if (!in_.barcode.empty()) {
      y_ += 8;
      Bars(kMargin, y_, 22);
      y_ += 24;
      y_ += canvas_.Text(kMargin, y_, 200, in_.barcode, {.size = 7, .color = kMuted});
    }
    if (code > 0) {
      Qr(canvas_.right() - code, top, code);
      canvas_.Text(canvas_.right() - code - 14, top + code + 3, code + 28, T().Get(Word::kScan),
                   {.size = 7, .color = kMuted, .align = Align::kCenter});
      y_ = std::max(y_, top + code + 14);
    }
  }

  const RenderInput& in_;
  Canvas canvas_;
  const Color accent_;
  const int pages_known_;
  int page_ = 1;
  double y_ = kMargin;
};

}  // namespace

std::vector<bool> Code128(const std::string& text) {
  std::vector<bool> out;
  zint_symbol* symbol = ZBarcode_Create();
  if (symbol == nullptr) return out;
  symbol->symbology = BARCODE_CODE128;
  const auto* data = reinterpret_cast<const unsigned char*>(text.c_str());
  const int failed = ZBarcode_Encode(symbol, data, static_cast<int>(text.size()));
  if (failed < ZINT_ERROR) {
    for (int i = 0; i < symbol->width; ++i) {
      out.push_back((symbol->encoded_data[0][i / 8] >> (i % 8) & 1) != 0);
    }
  }
  ZBarcode_Delete(symbol);
  return out;
}

absl::StatusOr<std::string> RenderPdf(const RenderInput& input) {
  // Another font would draw another document: better none.
  static const bool kFontThere = FontIsThere();
  if (!kFontThere) return InternalError("FONT_MISSING", "the font DejaVu Sans is not installed");
  // The first pass only counts pages, so that "page 1 of 3" is true.
  const int pages = Document(input, nullptr, 0).Draw();
  std::string out;
  Document document(input, &out, pages);
  document.Draw();
  if (document.status() != CAIRO_STATUS_SUCCESS) {
    return InternalError("RENDERING_FAILED", cairo_status_to_string(document.status()));
  }
  return out;
}

}  // namespace broadbill::invoicing
