# Broadbill's build rules. A library, a service or a test folder needs one line in its
# CMakeLists.txt; the layers of a service (see ARCHITECTURE.md) become targets of their own, so a
# layer that reaches where it must not fails to compile or to link.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# Dev: what ./dev test builds. Release: demo and bench.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEV "-O1 -g1" CACHE STRING "" FORCE)
# GCC 12 sees overlapping copies in std::string::insert and operator+ that are not there (GCC 105651).
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -Wno-restrict" CACHE STRING "" FORCE)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev CACHE STRING "Dev or Release" FORCE)
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

set(BROADBILL_SANITIZE "" CACHE STRING "address (with undefined), thread, or empty")
if(BROADBILL_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(BROADBILL_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

option(BROADBILL_FUZZ "tests/fuzz as libFuzzer programs with ASan and UBSan; wants clang" OFF)
if(BROADBILL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(CURL REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Catch2 2 CONFIG REQUIRED)
pkg_check_modules(pqxx REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(pango REQUIRED IMPORTED_TARGET pangocairo cairo cairo-pdf)
pkg_check_modules(qrencode REQUIRED IMPORTED_TARGET libqrencode)
pkg_check_modules(xml2 REQUIRED IMPORTED_TARGET libxml-2.0)
find_library(ZINT_LIBRARY zint REQUIRED)  # brings no pkg-config file

set(BROADBILL_WARNINGS -Wall -Wextra -Wshadow -Wconversion)
if(NOT BROADBILL_FUZZ)  # clang's warnings differ
  list(APPEND BROADBILL_WARNINGS -Werror)
endif()

# Every first-party target: include from the repository root, warnings are errors.
add_library(broadbill_options INTERFACE)
target_include_directories(broadbill_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(broadbill_options INTERFACE ${BROADBILL_WARNINGS})
target_compile_definitions(broadbill_options INTERFACE BROADBILL_VERSION="${PROJECT_VERSION}"
  SPDLOG_FMT_EXTERNAL)
# Only these files may know where the tree lies: a path in every command line would make the compiler
# cache miss in every other clone.
function(broadbill_knows_source_dir)
  set_source_files_properties(${ARGN} PROPERTIES
    COMPILE_DEFINITIONS BROADBILL_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
endfunction()

# Catch2's main is the dearest file of the build: once, without optimisation, with the hooks of
# libs/testing (one PostgreSQL per run) when that library is there.
add_library(broadbill_catch_main OBJECT ${CMAKE_SOURCE_DIR}/libs/testing/catch_main.cc)
target_compile_options(broadbill_catch_main PRIVATE -O0 -g0)
target_link_libraries(broadbill_catch_main PRIVATE broadbill_options Catch2::Catch2)

function(broadbill_add_subdirectories dir)
  file(GLOB children CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*/CMakeLists.txt)
  list(SORT children)
  foreach(child ${children})
    get_filename_component(path ${child} DIRECTORY)
    add_subdirectory(${path})
  endforeach()
endfunction()

# broadbill_glob(<out> <tests-out> <dir>…): sources and tests of folders, told apart by _test.cc.
function(broadbill_glob out tests_out)
  set(sources)
  set(tests)
  foreach(dir ${ARGN})
    file(GLOB files CONFIGURE_DEPENDS ${dir}/*.cc)
    foreach(file ${files})
      if(file MATCHES "_test\\.cc$")
        list(APPEND tests ${file})
      elseif(NOT file MATCHES "(^|/)(main|catch_main)\\.cc$")
        list(APPEND sources ${file})
      endif()
    endforeach()
  endforeach()
  set(${out} ${sources} PARENT_SCOPE)
  set(${tests_out} ${tests} PARENT_SCOPE)
endfunction()

# An empty folder is an INTERFACE library, so that dependents need not know.
function(broadbill_target target alias sources deps)
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC broadbill_options ${deps})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE broadbill_options ${deps})
  endif()
  add_library(broadbill::${alias} ALIAS ${target})
endfunction()

# broadbill_test(<name> SRCS … DEPS …): a Catch2 binary registered with ctest as one test.
function(broadbill_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 900)
  endif()
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE broadbill_catch_main broadbill_options ${ARG_DEPS}
    broadbill::testing Catch2::Catch2)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# broadbill_lib(<name> DEPS … TEST_DEPS …): the folder of the calling CMakeLists.txt.
function(broadbill_lib name)
  cmake_parse_arguments(ARG "" "" "DEPS;TEST_DEPS" ${ARGN})
  broadbill_glob(sources tests ${CMAKE_CURRENT_SOURCE_DIR})
  broadbill_target(broadbill_${name} ${name} "${sources}" "${ARG_DEPS}")
  if(tests)
    broadbill_test(${name}_test SRCS ${tests} DEPS broadbill::${name} ${ARG_TEST_DEPS})
  endif()
endfunction()

# broadbill_embed_migrations(<service>): migrations/*.sql become services/<svc>/migrations.h with
# `std::span<const db::Migration> broadbill::<svc>::Migrations()`, in file name order.
function(broadbill_embed_migrations svc target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/migrations/*.sql)
  list(SORT files)
  set(out ${CMAKE_BINARY_DIR}/gen/services/${svc}/migrations.cc)
  set(header ${CMAKE_BINARY_DIR}/gen/services/${svc}/migrations.h)
  add_custom_command(OUTPUT ${out} ${header}
    COMMAND ${CMAKE_COMMAND} -DSERVICE=${svc} -DOUT=${out} -DHEADER=${header}
            "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_migrations.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_migrations.cmake
    COMMENT "Embedding migrations of ${svc}" VERBATIM)
  add_library(${target} STATIC ${out} ${header})
  target_include_directories(${target} PUBLIC ${CMAKE_BINARY_DIR}/gen)
  target_link_libraries(${target} PUBLIC broadbill_options)
endfunction()

# broadbill_service(<svc> DOMAIN_DEPS … STORE_DEPS … APP_DEPS … TEST_DEPS …): layers as targets,
# the binary broadbill-<svc> from main.cc, and one test binary <svc>_test.
function(broadbill_service svc)
  cmake_parse_arguments(ARG "" "" "DOMAIN_DEPS;STORE_DEPS;APP_DEPS;TEST_DEPS" ${ARGN})
  set(here ${CMAKE_CURRENT_SOURCE_DIR})
  broadbill_glob(domain domain_tests ${here}/domain)
  broadbill_target(${svc}_domain ${svc}_domain "${domain}"
    "broadbill::money;broadbill::calendar;broadbill::ids;broadbill::status;${ARG_DOMAIN_DEPS}")
  broadbill_embed_migrations(${svc} ${svc}_migrations)
  broadbill_glob(store store_tests ${here}/store)
  broadbill_target(${svc}_store ${svc}_store "${store}"
    "broadbill::${svc}_domain;broadbill::db;broadbill::feed;broadbill::jobs;${svc}_migrations;${ARG_STORE_DEPS}")
  broadbill_glob(app app_tests ${here}/app ${here}/app/clients ${here}/api ${here}/render
    ${here}/http ${here})
  broadbill_target(broadbill_${svc} ${svc} "${app}"
    "broadbill::${svc}_store;broadbill::rpc;broadbill::feedrpc;broadbill::convert;broadbill::proto_${svc};broadbill::proto_common;${ARG_APP_DEPS}")
  if(EXISTS ${here}/main.cc)
    add_executable(broadbill-${svc} ${here}/main.cc)
    target_link_libraries(broadbill-${svc} PRIVATE broadbill::${svc} broadbill::serve)
  endif()
  set(tests ${domain_tests} ${store_tests} ${app_tests})
  if(tests)
    broadbill_test(${svc}_test SRCS ${tests} DEPS broadbill::${svc} ${ARG_TEST_DEPS})
  endif()
endfunction()
