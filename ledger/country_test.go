package ledger_test

import (
	"testing"

	"vitae/ledger"
)

func TestCountryCode(t *testing.T) {
	for typed, want := range map[string]string{
		"FR": "FR", "fra": "FR", "France": "FR", "Frankreich": "FR", "The Netherlands": "NL", "holland": "NL", "UK": "GB", "U.K.": "GB",
		"": "", "Atlantis": "", "XX": "", "12": "", "EU": "",
	} {
		if got := ledger.CountryCode(typed); got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
	if ledger.CountryName("FR") != "France" || ledger.CountryName("ZZ") != "" || ledger.CountryName("x") != "" {
		t.Error("a code has one name")
	}
}
