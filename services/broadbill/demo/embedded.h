#pragma once

// data/tax/minnesota_2026_*.csv and tests/smtp/mailbox.py, embedded by
// services/broadbill/CMakeLists.txt so that the program needs no files beside it.

namespace broadbill::program {

extern const char* const kDemoTaxRates;
extern const char* const kDemoTaxAreas;
extern const char* const kMailServerScript;

}  // namespace broadbill::program
