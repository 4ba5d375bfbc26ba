package nexudus

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
)

// Country is a country as a portal lists it.
type Country struct {
	ID            int `json:"Id"`
	Name          string
	TwoDigitsCode string
	Culture       string
}

// Countries lists the countries by their codes. Their numbers are those of ISO 3166-1,
// so they never change. The slice is the caller's.
func Countries() []Country {
	list := make([]Country, 0, 249)
	for line := range strings.Lines(countryTable) {
		parts := strings.SplitN(strings.TrimSpace(line), " ", 4)
		id, _ := strconv.Atoi(parts[1]) // they are digits
		list = append(list, Country{id, parts[3], parts[0], parts[2]})
	}
	return list
}

// CountryList is the answer to a request for the countries.
var CountryList = sync.OnceValue(func() []byte {
	b, _ := json.Marshal(map[string]any{"Countries": Countries()}) // texts and numbers have a form in JSON
	return b
})

// countryOf finds a country by its number.
func countryOf(id string) (Country, bool) {
	c, ok := countriesByID()[id]
	return c, ok
}

var countriesByID = sync.OnceValue(func() map[string]Country {
	out := map[string]Country{}
	for _, c := range Countries() {
		out[strconv.Itoa(c.ID)] = c
	}
	return out
})

// countryTable has a line for each country of ISO 3166-1: its two letters, its number,
// the culture that a portal gives it, and its name.
const countryTable = `AD 020 ca-AD Andorra
AE 784 ar-AE United Arab Emirates
AF 004 fa-AF Afghanistan
AG 028 en-AG Antigua and Barbuda
AI 660 en-AI Anguilla
AL 008 sq-AL Albania
AM 051 hy-AM Armenia
AO 024 pt-AO Angola
AQ 010 en-AQ Antarctica
AR 032 es-AR Argentina
AS 016 sm-AS American Samoa
AT 040 de-AT Austria
AU 036 en-AU Australia
AW 533 nl-AW Aruba
AX 248 sv-AX Åland Islands
AZ 031 az-AZ Azerbaijan
BA 070 bs-BA Bosnia and Herzegovina
BB 052 en-BB Barbados
BD 050 bn-BD Bangladesh
BE 056 nl-BE Belgium
BF 854 fr-BF Burkina Faso
BG 100 bg-BG Bulgaria
BH 048 ar-BH Bahrain
BI 108 rn-BI Burundi
BJ 204 fr-BJ Benin
BL 652 fr-BL St. Barthélemy
BM 060 en-BM Bermuda
BN 096 ms-BN Brunei
BO 068 es-BO Bolivia
BQ 535 pap-BQ Caribbean Netherlands
BR 076 pt-BR Brazil
BS 044 en-BS Bahamas
BT 064 dz-BT Bhutan
BV 074 en-BV Bouvet Island
BW 072 en-BW Botswana
BY 112 be-BY Belarus
BZ 084 en-BZ Belize
CA 124 en-CA Canada
CC 166 en-CC Cocos (Keeling) Islands
CD 180 sw-CD Congo - Kinshasa
CF 140 fr-CF Central African Republic
CG 178 fr-CG Congo - Brazzaville
CH 756 de-CH Switzerland
CI 384 fr-CI Côte d’Ivoire
CK 184 en-CK Cook Islands
CL 152 es-CL Chile
CM 120 fr-CM Cameroon
CN 156 zh-CN China
CO 170 es-CO Colombia
CR 188 es-CR Costa Rica
CU 192 es-CU Cuba
CV 132 pt-CV Cabo Verde
CW 531 pap-CW Curaçao
CX 162 en-CX Christmas Island
CY 196 el-CY Cyprus
CZ 203 cs-CZ Czechia
DE 276 de-DE Germany
DJ 262 aa-DJ Djibouti
DK 208 da-DK Denmark
DM 212 en-DM Dominica
DO 214 es-DO Dominican Republic
DZ 012 ar-DZ Algeria
EC 218 es-EC Ecuador
EE 233 et-EE Estonia
EG 818 ar-EG Egypt
EH 732 ar-EH Western Sahara
ER 232 ti-ER Eritrea
ES 724 es-ES Spain
ET 231 am-ET Ethiopia
FI 246 fi-FI Finland
FJ 242 en-FJ Fiji
FK 238 en-FK Falkland Islands
FM 583 en-FM Micronesia
FO 234 fo-FO Faroe Islands
FR 250 fr-FR France
GA 266 fr-GA Gabon
GB 826 en-GB United Kingdom
GD 308 en-GD Grenada
GE 268 ka-GE Georgia
GF 254 fr-GF French Guiana
GG 831 en-GG Guernsey
GH 288 ak-GH Ghana
GI 292 en-GI Gibraltar
GL 304 kl-GL Greenland
GM 270 en-GM Gambia
GN 324 fr-GN Guinea
GP 312 fr-GP Guadeloupe
GQ 226 es-GQ Equatorial Guinea
GR 300 el-GR Greece
GS 239 en-GS South Georgia & South Sandwich Islands
GT 320 es-GT Guatemala
GU 316 en-GU Guam
GW 624 pt-GW Guinea-Bissau
GY 328 en-GY Guyana
HK 344 zh-HK Hong Kong
HM 334 en-HM Heard & McDonald Islands
HN 340 es-HN Honduras
HR 191 hr-HR Croatia
HT 332 ht-HT Haiti
HU 348 hu-HU Hungary
ID 360 id-ID Indonesia
IE 372 en-IE Ireland
IL 376 he-IL Israel
IM 833 en-IM Isle of Man
IN 356 hi-IN India
IO 086 en-IO British Indian Ocean Territory
IQ 368 ar-IQ Iraq
IR 364 fa-IR Iran
IS 352 is-IS Iceland
IT 380 it-IT Italy
JE 832 en-JE Jersey
JM 388 en-JM Jamaica
JO 400 ar-JO Jordan
JP 392 ja-JP Japan
KE 404 sw-KE Kenya
KG 417 ky-KG Kyrgyzstan
KH 116 km-KH Cambodia
KI 296 en-KI Kiribati
KM 174 ar-KM Comoros
KN 659 en-KN St. Kitts & Nevis
KP 408 ko-KP North Korea
KR 410 ko-KR South Korea
KW 414 ar-KW Kuwait
KY 136 en-KY Cayman Islands
KZ 398 ru-KZ Kazakhstan
LA 418 lo-LA Laos
LB 422 ar-LB Lebanon
LC 662 en-LC Saint Lucia
LI 438 de-LI Liechtenstein
LK 144 si-LK Sri Lanka
LR 430 en-LR Liberia
LS 426 st-LS Lesotho
LT 440 lt-LT Lithuania
LU 442 fr-LU Luxembourg
LV 428 lv-LV Latvia
LY 434 ar-LY Libya
MA 504 ar-MA Morocco
MC 492 fr-MC Monaco
MD 498 ro-MD Moldova
ME 499 sr-ME Montenegro
MF 663 fr-MF St. Martin
MG 450 mg-MG Madagascar
MH 584 en-MH Marshall Islands
MK 807 mk-MK North Macedonia
ML 466 bm-ML Mali
MM 104 my-MM Myanmar
MN 496 mn-MN Mongolia
MO 446 zh-MO Macau
MP 580 en-MP Northern Mariana Islands
MQ 474 fr-MQ Martinique
MR 478 ar-MR Mauritania
MS 500 en-MS Montserrat
MT 470 mt-MT Malta
MU 480 mfe-MU Mauritius
MV 462 dv-MV Maldives
MW 454 en-MW Malawi
MX 484 es-MX Mexico
MY 458 ms-MY Malaysia
MZ 508 pt-MZ Mozambique
NA 516 af-NA Namibia
NC 540 fr-NC New Caledonia
NE 562 ha-NE Niger
NF 574 en-NF Norfolk Island
NG 566 en-NG Nigeria
NI 558 es-NI Nicaragua
NL 528 nl-NL Netherlands
NO 578 nb-NO Norway
NP 524 ne-NP Nepal
NR 520 en-NR Nauru
NU 570 en-NU Niue
NZ 554 en-NZ New Zealand
OM 512 ar-OM Oman
PA 591 es-PA Panama
PE 604 es-PE Peru
PF 258 fr-PF French Polynesia
PG 598 tpi-PG Papua New Guinea
PH 608 fil-PH Philippines
PK 586 ur-PK Pakistan
PL 616 pl-PL Poland
PM 666 fr-PM St. Pierre & Miquelon
PN 612 en-PN Pitcairn Islands
PR 630 es-PR Puerto Rico
PS 275 ar-PS Palestinian Territories
PT 620 pt-PT Portugal
PW 585 pau-PW Palau
PY 600 gn-PY Paraguay
QA 634 ar-QA Qatar
RE 638 fr-RE Réunion
RO 642 ro-RO Romania
RS 688 sr-RS Serbia
RU 643 ru-RU Russia
RW 646 rw-RW Rwanda
SA 682 ar-SA Saudi Arabia
SB 090 en-SB Solomon Islands
SC 690 fr-SC Seychelles
SD 729 ar-SD Sudan
SE 752 sv-SE Sweden
SG 702 en-SG Singapore
SH 654 en-SH St. Helena
SI 705 sl-SI Slovenia
SJ 744 nb-SJ Svalbard and Jan Mayen
SK 703 sk-SK Slovakia
SL 694 en-SL Sierra Leone
SM 674 it-SM San Marino
SN 686 fr-SN Senegal
SO 706 so-SO Somalia
SR 740 nl-SR Suriname
SS 728 en-SS South Sudan
ST 678 pt-ST São Tomé & Príncipe
SV 222 es-SV El Salvador
SX 534 en-SX Sint Maarten
SY 760 ar-SY Syria
SZ 748 en-SZ Eswatini
TC 796 en-TC Turks and Caicos Islands
TD 148 fr-TD Chad
TF 260 fr-TF French Southern Territories
TG 768 fr-TG Togo
TH 764 th-TH Thailand
TJ 762 tg-TJ Tajikistan
TK 772 tkl-TK Tokelau
TL 626 pt-TL Timor-Leste
TM 795 tk-TM Turkmenistan
TN 788 ar-TN Tunisia
TO 776 to-TO Tonga
TR 792 tr-TR Türkiye
TT 780 en-TT Trinidad and Tobago
TV 798 tvl-TV Tuvalu
TW 158 zh-TW Taiwan
TZ 834 sw-TZ Tanzania
UA 804 uk-UA Ukraine
UG 800 sw-UG Uganda
UM 581 en-UM U.S. Outlying Islands
US 840 en-US United States
UY 858 es-UY Uruguay
UZ 860 uz-UZ Uzbekistan
VA 336 it-VA Vatican City
VC 670 en-VC St. Vincent & Grenadines
VE 862 es-VE Venezuela
VG 092 en-VG British Virgin Islands
VI 850 en-VI U.S. Virgin Islands
VN 704 vi-VN Vietnam
VU 548 bi-VU Vanuatu
WF 876 fr-WF Wallis and Futuna
WS 882 sm-WS Samoa
YE 887 ar-YE Yemen
YT 175 fr-YT Mayotte
ZA 710 en-ZA South Africa
ZM 894 en-ZM Zambia
ZW 716 sn-ZW Zimbabwe`
