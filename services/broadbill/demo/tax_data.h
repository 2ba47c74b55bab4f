#pragma once

// data/tax/minnesota_2026_*.csv, embedded by services/broadbill/CMakeLists.txt so that the program
// needs no files beside it.

namespace broadbill::program {

extern const char* const kDemoTaxRates;
extern const char* const kDemoTaxAreas;

}  // namespace broadbill::program
