package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// nexudusCountry is a country as the portal lists it.
type nexudusCountry struct {
	ID            int `json:"Id"`
	Name          string
	TwoDigitsCode string
	Culture       string
}

// nexudusFirstCountry is the number of the first country. Numbers belong to a portal and
// follow its list, so that nobody finds one by the code of the country.
const nexudusFirstCountry = 1201

// nexudusCountries are the countries of the portal by name. It has not all that there are.
var nexudusCountries = func() []nexudusCountry {
	list := make([]nexudusCountry, 0, 80)
	for line := range strings.Lines(nexudusCountryTable) {
		fields := strings.Fields(line)
		last := len(fields) - 1
		list = append(list, nexudusCountry{nexudusFirstCountry + 3*len(list), strings.Join(fields[1:last], " "), fields[0], fields[last]})
	}
	return list
}()

// nexudusCountryTable has a line for each country: its code of ISO 3166, name, and culture.
const nexudusCountryTable = `AR Argentina es-AR
AM Armenia hy-AM
AU Australia en-AU
AT Austria de-AT
BE Belgium nl-BE
BO Bolivia es-BO
BA Bosnia and Herzegovina bs-Latn-BA
BR Brazil pt-BR
BG Bulgaria bg-BG
CA Canada en-CA
CL Chile es-CL
CN China zh-CN
CO Colombia es-CO
CR Costa Rica es-CR
HR Croatia hr-HR
CY Cyprus el-CY
CZ Czech Republic cs-CZ
DK Denmark da-DK
DO Dominican Republic es-DO
EC Ecuador es-EC
EG Egypt ar-EG
EE Estonia et-EE
FI Finland fi-FI
FR France fr-FR
GE Georgia ka-GE
DE Germany de-DE
GH Ghana en-GH
GR Greece el-GR
HK Hong Kong zh-HK
HU Hungary hu-HU
IS Iceland is-IS
IN India hi-IN
ID Indonesia id-ID
IE Ireland en-IE
IL Israel he-IL
IT Italy it-IT
JP Japan ja-JP
KZ Kazakhstan kk-KZ
KE Kenya en-KE
KR South Korea ko-KR
LV Latvia lv-LV
LT Lithuania lt-LT
LU Luxembourg fr-LU
MY Malaysia ms-MY
MT Malta mt-MT
MX Mexico es-MX
MA Morocco ar-MA
NL Netherlands nl-NL
NZ New Zealand en-NZ
NG Nigeria en-NG
NO Norway nb-NO
PK Pakistan ur-PK
PA Panama es-PA
PE Peru es-PE
PH Philippines en-PH
PL Poland pl-PL
PT Portugal pt-PT
RO Romania ro-RO
SA Saudi Arabia ar-SA
RS Serbia sr-Latn-RS
SG Singapore en-SG
SK Slovakia sk-SK
SI Slovenia sl-SI
ZA South Africa en-ZA
ES Spain es-ES
SE Sweden sv-SE
CH Switzerland de-CH
TW Taiwan zh-TW
TH Thailand th-TH
TR Turkey tr-TR
UA Ukraine uk-UA
AE United Arab Emirates ar-AE
GB United Kingdom en-GB
US United States en-US
UY Uruguay es-UY
VE Venezuela es-VE
VN Vietnam vi-VN
`

// nexudusIsCountry says whether the number is one of the list. It has to be written as
// the list has it.
func nexudusIsCountry(n json.Number) bool {
	return slices.ContainsFunc(nexudusCountries, func(c nexudusCountry) bool { return strconv.Itoa(c.ID) == string(n) })
}
