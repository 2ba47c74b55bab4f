#include "services/invoicing/render/pdf.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>
#include <qrencode.h>

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

// A page-by-page canvas with a running position.
class Canvas {
 public:
  Canvas(bool letter, std::string* out)
      : width_(letter ? 612 : 595.28),
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
    pango_layout_set_alignment(layout, style.align == Align::kRight    ? PANGO_ALIGN_RIGHT
                                       : style.align == Align::kCenter ? PANGO_ALIGN_CENTER
                                                                       : PANGO_ALIGN_LEFT);
    pango_layout_set_text(layout, text.c_str(), static_cast<int>(text.size()));
    int pixel_height = 0;
    pango_layout_get_size(layout, nullptr, &pixel_height);
    if (draw) {
      cairo_set_source_rgb(cairo_, style.color.r, style.color.g, style.color.b);
      cairo_move_to(cairo_, x, y);
      pango_cairo_show_layout(cairo_, layout);
    }
    pango_font_description_free(font);
    g_object_unref(layout);
    return static_cast<double>(pixel_height) / PANGO_SCALE;
  }

  void Fill(double x, double y, double w, double h, const Color& color, double radius = 0) {
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
    cairo_set_source_rgb(cairo_, color.r, color.g, color.b);
    cairo_set_line_width(cairo_, thickness);
    cairo_move_to(cairo_, x, y);
    cairo_line_to(cairo_, x + w, y);
    cairo_stroke(cairo_);
  }

 private:
  double width_;
  double height_;
  cairo_surface_t* surface_;
  cairo_t* cairo_;
};

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
        canvas_(input.letter, out),
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

  void Footer() {
    const double y = canvas_.height() - kMargin - 14;
    canvas_.Rule(kMargin, y - 8, canvas_.body_width(), kRule);
    std::string left = in_.seller.name;
    if (!in_.seller.contact.empty()) left += "  ·  " + in_.seller.contact;
    canvas_.Text(kMargin, y, canvas_.body_width() - 90, left, {.size = 7, .color = kMuted});
    const std::string page =
        "Page " + std::to_string(page_) + " of " + std::to_string(std::max(pages_known_, page_));
    canvas_.Text(canvas_.right() - 90, y, 90, page,
                 {.size = 7, .color = kMuted, .align = Align::kRight});
  }

  void NewPage() {
    Footer();
    cairo_show_page(canvas_.cairo());
    ++page_;
    y_ = kMargin;
    canvas_.Text(kMargin, y_, 260, in_.seller.name, {.size = 9, .bold = true, .color = accent_});
    canvas_.Text(
        kMargin + 260, y_, canvas_.body_width() - 260,
        in_.title + (in_.number.empty() ? "" : "  " + in_.number) + "  ·  " + in_.customer.name,
        {.size = 8, .color = kMuted, .align = Align::kRight});
    y_ += 16;
    canvas_.Rule(kMargin, y_, canvas_.body_width(), accent_, 1.2);
    y_ += 14;
  }

  // True when a page break was made.
  bool Need(double height) {
    if (y_ + height <= Bottom()) return false;
    NewPage();
    return true;
  }

  double Party(double x, double y, double w, const RenderParty& party, const Style& name_style) {
    double at = y;
    at += canvas_.Text(x, at, w, party.name, name_style) + 1.5;
    for (const std::string& line : party.address) {
      if (!line.empty()) at += canvas_.Text(x, at, w, line, {.size = 8.5, .color = kInk}) + 0.5;
    }
    if (!party.tax_id.empty()) {
      at += canvas_.Text(x, at, w, "Tax ID " + party.tax_id, {.size = 8, .color = kMuted});
    }
    return at - y;
  }

  void Logo(double x, double y) {
    canvas_.Fill(x, y, 40, 40, accent_, 9);
    canvas_.Text(x, y + 10, 40, Initials(in_.seller.name),
                 {.size = 15, .bold = true, .color = {1, 1, 1}, .align = Align::kCenter});
  }

  void FirstHeader() {
    canvas_.Fill(0, 0, canvas_.width(), 5, accent_);
    Logo(kMargin, kMargin - 4);
    canvas_.Text(kMargin + 52, kMargin - 2, 250, in_.seller.name,
                 {.size = 14, .bold = true, .color = kInk});
    std::string address;
    for (const std::string& line : in_.seller.address) {
      if (!line.empty()) address += (address.empty() ? "" : ", ") + line;
    }
    if (!in_.seller.tax_id.empty()) address += "  ·  Tax ID " + in_.seller.tax_id;
    canvas_.Text(kMargin + 52, kMargin + 18, 250, address, {.size = 7.5, .color = kMuted});
    canvas_.Text(canvas_.right() - 230, kMargin - 6, 230, in_.title,
                 {.size = 21, .bold = true, .color = accent_, .align = Align::kRight});
    canvas_.Text(canvas_.right() - 230, kMargin + 21, 230, in_.number,
                 {.size = 10, .color = kMuted, .align = Align::kRight});
    y_ = kMargin + 62;
    const double top = y_;
    canvas_.Text(kMargin, y_, 220, "BILL TO", {.size = 7, .bold = true, .color = kMuted});
    const double party = Party(kMargin, y_ + 11, 250, in_.customer, {.size = 10, .bold = true});
    const double box = Facts(top);
    y_ = top + std::max(party + 11, box) + 20;
  }

  // The dates and the payable amount, in a shaded box at the right; returns its height.
  double Facts(double top) {
    const double w = 232;
    const double x = canvas_.right() - w;
    std::vector<std::pair<std::string, std::string>> rows;
    rows.emplace_back("Account", in_.account_number);
    rows.emplace_back("Date", in_.issue_date);
    if (!in_.period.empty()) rows.emplace_back("Period", in_.period);
    if (!in_.due_date.empty()) rows.emplace_back("Due", in_.due_date);
    const double h = 14 + 14 * static_cast<double>(rows.size()) + 34;
    canvas_.Fill(x, top - 4, w, h, kShade, 6);
    double y = top + 5;
    for (const auto& [label, value] : rows) {
      canvas_.Text(x + 12, y, 80, label, {.size = 8, .color = kMuted});
      canvas_.Text(x + 70, y, w - 82, value, {.size = 8.5, .align = Align::kRight});
      y += 14;
    }
    canvas_.Rule(x + 12, y + 3, w - 24, kRule);
    canvas_.Text(x + 12, y + 13, 110, in_.payable.label, {.size = 9, .bold = true});
    canvas_.Text(x + 90, y + 9, w - 102, in_.payable.amount,
                 {.size = 13, .bold = true, .color = accent_, .align = Align::kRight});
    return h;
  }

  void Heading(const std::string& text) {
    y_ += canvas_.Text(kMargin, y_, canvas_.body_width(), text,
                       {.size = 9.5, .bold = true, .color = accent_}) +
          5;
  }

  void Statement() {
    Heading("Account summary");
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
    const Style head{.size = 7, .bold = true, .color = kMuted};
    Style right = head;
    right.align = Align::kRight;
    canvas_.Text(kMargin, y_, 200, "DESCRIPTION", head);
    canvas_.Text(c.quantity, y_, 50, "QTY", right);
    canvas_.Text(c.unit, y_, 60, "PRICE", right);
    canvas_.Text(c.amount, y_, 78, "AMOUNT", right);
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
    canvas_.Text(c.unit, y_, 60, line.unit_price, right);
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
      if (!group.subtotal.empty()) {
        canvas_.Text(canvas_.right() - 160, y_, 160, group.subtotal,
                     {.size = 8.5, .bold = true, .align = Align::kRight});
        y_ += 14;
      }
      y_ += 6;
    }
  }

  double SummaryHeight() const {
    const double taxes = in_.taxes.empty() ? 0 : 16 + 12.5 * static_cast<double>(in_.taxes.size());
    const double totals = 14.5 * static_cast<double>(in_.totals.size()) + 34;
    return std::max(taxes, totals) + 10;
  }

  // Taxes at the left, totals at the right.
  void Summary() {
    Need(std::min(SummaryHeight(), Bottom() - kMargin - 40));
    y_ += 4;
    const double top = y_;
    const double left_bottom = in_.taxes.empty() ? top : TaxTable(top);
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
    canvas_.Text(x, y + 7.5, 110, in_.payable.label, {.size = 9, .bold = true, .color = {1, 1, 1}});
    canvas_.Text(x + 60, y + 6, w - 68, in_.payable.amount,
                 {.size = 11, .bold = true, .color = {1, 1, 1}, .align = Align::kRight});
    y_ = std::max(left_bottom, y + 30) + 16;
  }

  double TaxTable(double top) {
    const double w = canvas_.body_width() - 236;
    const Style head{.size = 7, .bold = true, .color = kMuted};
    Style right = head;
    right.align = Align::kRight;
    double y = top;
    canvas_.Text(kMargin, y, 140, "TAXES AND FEES", head);
    canvas_.Text(kMargin + w - 150, y, 46, "RATE", right);
    canvas_.Text(kMargin + w - 102, y, 50, "BASE", right);
    canvas_.Text(kMargin + w - 50, y, 50, "TAX", right);
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
    return y;
  }

  void Qr(double x, double y, double side) {
    QRcode* code = QRcode_encodeString(in_.payment_code.c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (code == nullptr) return;
    const double cell = side / code->width;
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

  void Payment() {
    if (in_.payment.empty() && in_.payment_code.empty() && in_.note.empty()) return;
    Need(96);  // the code, its caption, and the block stays together
    const double code = in_.payment_code.empty() ? 0 : 78;
    const double w = canvas_.body_width() - (code > 0 ? code + 30 : 0);
    const double top = y_;
    if (!in_.payment.empty()) Heading("How to pay");
    for (const std::string& paragraph : in_.payment) {
      y_ += canvas_.Text(kMargin, y_, w, paragraph, {.size = 8.5}) + 3;
    }
    if (!in_.note.empty()) {
      y_ += 6;
      y_ += canvas_.Text(kMargin, y_, w, in_.note, {.size = 8, .color = kMuted});
    }
    if (code > 0) {
      Qr(canvas_.right() - code, top, code);
      canvas_.Text(canvas_.right() - code - 10, top + code + 3, code + 20, "Scan to pay",
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

absl::StatusOr<std::string> RenderPdf(const RenderInput& input) {
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
