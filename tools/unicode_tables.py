#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write worker/tokenizer/unicode_tables.c from Debian's unicode-data (15.0).

Usage: tools/unicode_tables.py [DIR] > worker/tokenizer/unicode_tables.c   (DIR: /usr/share/unicode)

Hugging Face `tokenizers` takes each property from another version of Unicode, and so do we:
categories from 8.0, canonical decomposition and combining classes from 9.0, white space and lower
case from the Rust compiler its wheel was built with, letters and numbers of the byte-level pattern
from 16.0. An old version is "assigned by then" plus the few characters whose category has changed
since. tests/parity/test_tokenizer.py and test_bytepair.py compare every code point with the
installed library.
"""
import sys
import textwrap

UNICODE_MAX = 0x110000
HANGUL = range(0xAC00, 0xD7A4)
# Category changes between 8.0 and 15.0.
MN_THEN = {0x1734}
MN_NOT_THEN = {0x1885, 0x1886, 0xA9BD, 0x111C9}
PUNCT_THEN = {0x166D, 0x111C9}
# Lower case pairs of 16.0 and 17.0, newer than the 15.0 files; the wheel's compiler knows them.
LOWER_LATER = {
    0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7CC: 0xA7CD, 0xA7CE: 0xA7CF, 0xA7D2: 0xA7D3, 0xA7D4: 0xA7D5,
    0xA7DA: 0xA7DB, 0xA7DC: 0x19B, **{c: c + 0x20 for c in range(0x10D50, 0x10D66)},
    **{c: c + 0x1B for c in range(0x16EA0, 0x16EB9)},
}
# Letters and numbers of 15.1 and 16.0, newer than the 15.0 files.
LETTERS_LATER = [
    (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3), (0x10D4A, 0x10D65),
    (0x10D6F, 0x10D85), (0x10EC2, 0x10EC4), (0x11380, 0x11389), (0x1138B, 0x1138B),
    (0x1138E, 0x1138E), (0x11390, 0x113B5), (0x113B7, 0x113B7), (0x113D1, 0x113D1),
    (0x113D3, 0x113D3), (0x11BC0, 0x11BE0), (0x13460, 0x143FA), (0x16100, 0x1611D),
    (0x16D40, 0x16D6C), (0x18CFF, 0x18CFF), (0x1E5D0, 0x1E5ED), (0x1E5F0, 0x1E5F0),
    (0x2EBF0, 0x2EE5D)]
NUMBERS_LATER = [
    (0x10D40, 0x10D49), (0x116D0, 0x116E3), (0x11BF0, 0x11BF9), (0x16130, 0x16139),
    (0x16D70, 0x16D79), (0x1CCF0, 0x1CCF9), (0x1E5F1, 0x1E5FA)]
WHITE_SPACE = {*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
               0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
# The library's own list, with its slip (0x2B920 for 0x2B820).
CJK = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
       (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
(DROP, SPACE, PUNCT, MARK, DECOMPOSES, LOWERS, REORDERS, IDEOGRAPH, LETTER,
 NUMBER) = (1 << i for i in range(10))


def read_ages(path):
    age = {}
    for line in open(path, encoding="utf-8"):
        fields = line.split("#")[0].split(";")
        if len(fields) == 2:
            first, _, last = fields[0].strip().partition("..")
            for cp in range(int(first, 16), int(last or first, 16) + 1):
                age[cp] = float(fields[1])
    return age


def read_characters(path):
    """Map each code point to (category, combining class, decomposition, simple lower case)."""
    chars, first = {}, None
    for line in open(path, encoding="utf-8"):
        f = line.rstrip("\n").split(";")
        cp = int(f[0], 16)
        decomposition = []
        if f[5] and not f[5].startswith("<"):
            decomposition = [int(x, 16) for x in f[5].split()]
        entry = (f[2], int(f[3]), decomposition, int(f[13], 16) if f[13] else cp)
        if f[1].endswith("First>"):
            first = cp
        elif f[1].endswith("Last>"):
            for c in range(first, cp + 1):
                chars[c] = (entry[0], entry[1], [], c)
        else:
            chars[cp] = entry
    return chars


def decompose(chars, age, cp):
    parts = chars[cp][2] if cp in chars and age.get(cp, 99) <= 9.0 else []
    if not parts:
        return [cp]
    return [x for part in parts for x in decompose(chars, age, part)]


def is_in(cp, ranges):
    return any(first <= cp <= last for first, last in ranges)


def flags_of(cp, chars, age, decomposition, lower):
    category, combining, _, _ = chars.get(cp, ("Cn", 0, [], cp))
    if age.get(cp, 99) > 8.0:
        category8 = "Cn"
    else:
        category8 = category
    mark = (category8 == "Mn" or cp in MN_THEN) and cp not in MN_NOT_THEN
    flags = 0
    if cp in (0, 0xFFFD) or (category8 in ("Cc", "Cf", "Co") and cp not in (0x9, 0xA, 0xD)):
        flags |= DROP
    if cp in WHITE_SPACE:
        flags |= SPACE
    ascii_punct = cp < 128 and chr(cp) in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    if ascii_punct or category8[0] == "P" or cp in PUNCT_THEN:
        flags |= PUNCT
    if mark:
        flags |= MARK
    if decomposition != [cp] or cp in HANGUL:
        flags |= DECOMPOSES
    if lower != cp:
        flags |= LOWERS
    if combining and age.get(cp, 99) <= 9.0:
        flags |= REORDERS
    if is_in(cp, CJK):
        flags |= IDEOGRAPH
    if category[0] == "L" or is_in(cp, LETTERS_LATER):
        flags |= LETTER
    if category[0] == "N" or is_in(cp, NUMBERS_LATER):
        flags |= NUMBER
    return flags


def emit_items(items, indent="\t"):
    for line in textwrap.wrap(" ".join(items), 100 - 8 * len(indent), break_long_words=False):
        print(indent + line.replace("~", " "))


def emit_numbers(name, ctype, values):
    print(f"const {ctype} {name}[{len(values)}] = {{")
    emit_items(f"{v}," for v in values)
    print("};\n")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
    age = read_ages(f"{root}/DerivedAge.txt")
    chars = read_characters(f"{root}/UnicodeData.txt")
    flags, decomposed, lowered, combining = [], [], [], []
    pool = []
    for cp in range(UNICODE_MAX):
        parts = decompose(chars, age, cp)
        lower = LOWER_LATER.get(cp, chars[cp][3] if cp in chars else cp)
        f = flags_of(cp, chars, age, parts, lower)
        flags.append(f)
        if parts != [cp]:
            decomposed.append((cp, len(pool), len(parts)))
            pool += parts
        if f & LOWERS:
            lowered.append((cp, lower))
        if f & REORDERS:
            combining.append((cp, chars[cp][1]))
    blocks, index = {}, []
    for i in range(0, UNICODE_MAX, 256):
        index.append(blocks.setdefault(tuple(flags[i:i + 256]), len(blocks)))
    print("/* SPDX-License-Identifier: MIT */")
    print("/* Made by tools/unicode_tables.py from the Unicode Character Database"
          " (Unicode License). */")
    print('#include "worker/tokenizer/unicode.h"\n')
    print("/* clang-format off */")
    emit_numbers("unicode_block", "uint8_t", index)
    print(f"const uint16_t unicode_flags[{len(blocks)}][256] = {{")
    for block in blocks:
        print("\t{")
        emit_items((f"{v}," for v in block), "\t\t")
        print("\t},")
    print("};\n")
    emit_numbers("unicode_decomposed_chars", "uint32_t", [hex(x) for x in pool])
    for name, ctype, rows in (("unicode_decomposed", "struct unicode_decomposed", decomposed),
                              ("unicode_lowered", "struct unicode_pair", lowered),
                              ("unicode_combining", "struct unicode_pair", combining)):
        print(f"const {ctype} {name}[] = {{")
        emit_items("{%s}," % ",~".join([hex(r[0])] + [str(x) for x in r[1:]]) for r in rows)
        print("};")
        print(f"const size_t {name}_n = {len(rows)};\n")
    print("/* clang-format on */")


main()
