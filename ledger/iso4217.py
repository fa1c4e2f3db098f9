"""The ISO 4217 table published 2026-01-01, and the retired codes whose amounts stay readable.

A row: code, number, decimals, kind, first day, last day on which it takes new amounts, name;
`-` where a day is older than any book, or not in sight. Changes come as numbered amendments of the
standard (177: ZWG for ZWL, 176: XCG for ANG, 179: XAD, 180: BGN gone, 178: CUC gone).
"""

from __future__ import annotations

from typing import Final

PUBLISHED: Final = "2026-01-01"

ACTIVE: Final = """
AED 784 2 fiat - - UAE Dirham
AFN 971 2 fiat - - Afghani
ALL 008 2 fiat - - Lek
AMD 051 2 fiat - - Armenian Dram
AOA 973 2 fiat - - Kwanza
ARS 032 2 fiat - - Argentine Peso
AUD 036 2 fiat - - Australian Dollar
AWG 533 2 fiat - - Aruban Florin
AZN 944 2 fiat - - Azerbaijan Manat
BAM 977 2 fiat - - Convertible Mark
BBD 052 2 fiat - - Barbados Dollar
BDT 050 2 fiat - - Taka
BHD 048 3 fiat - - Bahraini Dinar
BIF 108 0 fiat - - Burundi Franc
BMD 060 2 fiat - - Bermudian Dollar
BND 096 2 fiat - - Brunei Dollar
BOB 068 2 fiat - - Boliviano
BOV 984 2 fund - - Mvdol
BRL 986 2 fiat - - Brazilian Real
BSD 044 2 fiat - - Bahamian Dollar
BTN 064 2 fiat - - Ngultrum
BWP 072 2 fiat - - Pula
BYN 933 2 fiat - - Belarusian Ruble
BZD 084 2 fiat - - Belize Dollar
CAD 124 2 fiat - - Canadian Dollar
CDF 976 2 fiat - - Congolese Franc
CHE 947 2 fund - - WIR Euro
CHF 756 2 fiat - - Swiss Franc
CHW 948 2 fund - - WIR Franc
CLF 990 4 fund - - Unidad de Fomento
CLP 152 0 fiat - - Chilean Peso
CNY 156 2 fiat - - Yuan Renminbi
COP 170 2 fiat - - Colombian Peso
COU 970 2 fund - - Unidad de Valor Real
CRC 188 2 fiat - - Costa Rican Colon
CUP 192 2 fiat - - Cuban Peso
CVE 132 2 fiat - - Cabo Verde Escudo
CZK 203 2 fiat - - Czech Koruna
DJF 262 0 fiat - - Djibouti Franc
DKK 208 2 fiat - - Danish Krone
DOP 214 2 fiat - - Dominican Peso
DZD 012 2 fiat - - Algerian Dinar
EGP 818 2 fiat - - Egyptian Pound
ERN 232 2 fiat - - Nakfa
ETB 230 2 fiat - - Ethiopian Birr
EUR 978 2 fiat - - Euro
FJD 242 2 fiat - - Fiji Dollar
FKP 238 2 fiat - - Falkland Islands Pound
GBP 826 2 fiat - - Pound Sterling
GEL 981 2 fiat - - Lari
GHS 936 2 fiat - - Ghana Cedi
GIP 292 2 fiat - - Gibraltar Pound
GMD 270 2 fiat - - Dalasi
GNF 324 0 fiat - - Guinean Franc
GTQ 320 2 fiat - - Quetzal
GYD 328 2 fiat - - Guyana Dollar
HKD 344 2 fiat - - Hong Kong Dollar
HNL 340 2 fiat - - Lempira
HTG 332 2 fiat - - Gourde
HUF 348 2 fiat - - Forint
IDR 360 2 fiat - - Rupiah
ILS 376 2 fiat - - New Israeli Sheqel
INR 356 2 fiat - - Indian Rupee
IQD 368 3 fiat - - Iraqi Dinar
IRR 364 2 fiat - - Iranian Rial
ISK 352 0 fiat - - Iceland Krona
JMD 388 2 fiat - - Jamaican Dollar
JOD 400 3 fiat - - Jordanian Dinar
JPY 392 0 fiat - - Yen
KES 404 2 fiat - - Kenyan Shilling
KGS 417 2 fiat - - Som
KHR 116 2 fiat - - Riel
KMF 174 0 fiat - - Comorian Franc
KPW 408 2 fiat - - North Korean Won
KRW 410 0 fiat - - Won
KWD 414 3 fiat - - Kuwaiti Dinar
KYD 136 2 fiat - - Cayman Islands Dollar
KZT 398 2 fiat - - Tenge
LAK 418 2 fiat - - Lao Kip
LBP 422 2 fiat - - Lebanese Pound
LKR 144 2 fiat - - Sri Lanka Rupee
LRD 430 2 fiat - - Liberian Dollar
LSL 426 2 fiat - - Loti
LYD 434 3 fiat - - Libyan Dinar
MAD 504 2 fiat - - Moroccan Dirham
MDL 498 2 fiat - - Moldovan Leu
MGA 969 2 fiat - - Malagasy Ariary
MKD 807 2 fiat - - Denar
MMK 104 2 fiat - - Kyat
MNT 496 2 fiat - - Tugrik
MOP 446 2 fiat - - Pataca
MRU 929 2 fiat - - Ouguiya
MUR 480 2 fiat - - Mauritius Rupee
MVR 462 2 fiat - - Rufiyaa
MWK 454 2 fiat - - Malawi Kwacha
MXN 484 2 fiat - - Mexican Peso
MXV 979 2 fund - - Mexican Unidad de Inversion (UDI)
MYR 458 2 fiat - - Malaysian Ringgit
MZN 943 2 fiat - - Mozambique Metical
NAD 516 2 fiat - - Namibia Dollar
NGN 566 2 fiat - - Naira
NIO 558 2 fiat - - Cordoba Oro
NOK 578 2 fiat - - Norwegian Krone
NPR 524 2 fiat - - Nepalese Rupee
NZD 554 2 fiat - - New Zealand Dollar
OMR 512 3 fiat - - Rial Omani
PAB 590 2 fiat - - Balboa
PEN 604 2 fiat - - Sol
PGK 598 2 fiat - - Kina
PHP 608 2 fiat - - Philippine Peso
PKR 586 2 fiat - - Pakistan Rupee
PLN 985 2 fiat - - Zloty
PYG 600 0 fiat - - Guarani
QAR 634 2 fiat - - Qatari Rial
RON 946 2 fiat - - Romanian Leu
RSD 941 2 fiat - - Serbian Dinar
RUB 643 2 fiat - - Russian Ruble
RWF 646 0 fiat - - Rwanda Franc
SAR 682 2 fiat - - Saudi Riyal
SBD 090 2 fiat - - Solomon Islands Dollar
SCR 690 2 fiat - - Seychelles Rupee
SDG 938 2 fiat - - Sudanese Pound
SEK 752 2 fiat - - Swedish Krona
SGD 702 2 fiat - - Singapore Dollar
SHP 654 2 fiat - - Saint Helena Pound
SLE 925 2 fiat 2022-07-01 - Leone
SOS 706 2 fiat - - Somali Shilling
SRD 968 2 fiat - - Surinam Dollar
SSP 728 2 fiat - - South Sudanese Pound
STN 930 2 fiat - - Dobra
SVC 222 2 fiat - - El Salvador Colon
SYP 760 2 fiat - - Syrian Pound
SZL 748 2 fiat - - Lilangeni
THB 764 2 fiat - - Baht
TJS 972 2 fiat - - Somoni
TMT 934 2 fiat - - Turkmenistan New Manat
TND 788 3 fiat - - Tunisian Dinar
TOP 776 2 fiat - - Pa'anga
TRY 949 2 fiat - - Turkish Lira
TTD 780 2 fiat - - Trinidad and Tobago Dollar
TWD 901 2 fiat - - New Taiwan Dollar
TZS 834 2 fiat - - Tanzanian Shilling
UAH 980 2 fiat - - Hryvnia
UGX 800 0 fiat - - Uganda Shilling
USD 840 2 fiat - - US Dollar
USN 997 2 fund - - US Dollar (Next day)
UYI 940 0 fund - - Uruguay Peso en Unidades Indexadas (UI)
UYU 858 2 fiat - - Peso Uruguayo
UYW 927 4 fund - - Unidad Previsional
UZS 860 2 fiat - - Uzbekistan Sum
VED 926 2 fiat 2021-10-01 - Bolívar Soberano
VES 928 2 fiat - - Bolívar Soberano
VND 704 0 fiat - - Dong
VUV 548 0 fiat - - Vatu
WST 882 2 fiat - - Tala
XAD 396 2 fund 2025-05-12 - Arab Accounting Dinar
XAF 950 0 fiat - - CFA Franc BEAC
XCD 951 2 fiat - - East Caribbean Dollar
XCG 532 2 fiat 2025-03-31 - Caribbean Guilder
XOF 952 0 fiat - - CFA Franc BCEAO
XPF 953 0 fiat - - CFP Franc
YER 886 2 fiat - - Yemeni Rial
ZAR 710 2 fiat - - Rand
ZMW 967 2 fiat - - Zambian Kwacha
ZWG 924 2 fiat 2024-06-25 - Zimbabwe Gold
"""

RETIRED: Final = """
ANG 532 2 fiat - 2025-06-30 Netherlands Antillean Guilder
BGN 975 2 fiat - 2025-12-31 Bulgarian Lev
BYR 974 0 fiat - 2016-12-31 Belarusian Ruble (2000)
CUC 931 2 fiat - 2021-06-30 Peso Convertible
CYP 196 2 fiat - 2007-12-31 Cyprus Pound
EEK 233 2 fiat - 2010-12-31 Kroon
HRK 191 2 fiat - 2022-12-31 Kuna
LTL 440 2 fiat - 2014-12-31 Lithuanian Litas
LVL 428 2 fiat - 2013-12-31 Latvian Lats
MRO 478 2 fiat - 2017-12-31 Ouguiya (1973)
MTL 470 2 fiat - 2007-12-31 Maltese Lira
ROL 642 0 fiat - 2005-06-30 Romanian Leu (1952)
SIT 705 2 fiat - 2006-12-31 Tolar
SKK 703 2 fiat - 2008-12-31 Slovak Koruna
SLL 694 2 fiat - 2023-12-31 Leone (1964)
STD 678 2 fiat - 2017-12-31 Dobra (1977)
TRL 792 0 fiat - 2004-12-31 Turkish Lira (1922)
VEF 937 2 fiat - 2018-08-19 Bolivar Fuerte
ZMK 894 2 fiat - 2012-12-31 Zambian Kwacha (1968)
ZWL 932 2 fiat - 2024-08-31 Zimbabwe Dollar (2009)
"""

WITHOUT_MINOR_UNIT: Final = frozenset(
    {
        *("XAG", "XAU", "XPD", "XPT"),
        *("XBA", "XBB", "XBC", "XBD", "XDR", "XSU", "XUA"),
        *("XTS", "XXX"),
    }
)
"""Metals, units of account and codes for tests: listed without a minor unit, so never booked."""
