package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// profiles are the numbers of the profiles that the token has.
func (p nexudusClient) profiles() (ids []string) {
	p.Helper()
	var v struct {
		User struct {
			FullName    string
			AccessToken string
		}
		Profiles []struct {
			ID               int64 `json:"Id"`
			FullName         string
			IsDefaultProfile bool
		}
	}
	p.decode(p.call("GET", "/api/public/coworkers/profiles", ""), &v)
	for i, profile := range v.Profiles {
		if profile.IsDefaultProfile != (i == 0) || v.User.AccessToken != p.token {
			p.Errorf("%+v", v)
		}
		ids = append(ids, fmt.Sprint(profile.ID))
	}
	return ids
}

// turn makes the profile with the number the active one.
func (p nexudusClient) turn(id string) answer {
	p.Helper()
	return p.call("PUT", "/api/public/coworkers/profiles/current?coworkerId="+id, "")
}

func TestTrap23NexudusFailureArrivesWithStatus200(t *testing.T) {
	p := startNexudus(t, Options{})
	p.set(`{"CompanyName":"x"}`)
	p.control("POST", "/nexudus/soft", `{"on":true}`)
	a := p.patch(`{"CompanyName":null,"State":null,"Position":"y"}`)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := p.confirmation(a, http.StatusBadRequest); !slices.Equal(got, []string{"CompanyName", "State"}) {
		t.Errorf("%q", got)
	}
	if got := p.read(); got["CompanyName"] != "x" || got["Position"] != nil {
		t.Errorf("%v", got)
	}
	if r := p.requests(); r[1].Changed || r[1].Status != http.StatusOK {
		t.Errorf("%+v", r[1])
	}
	// What is no validation stays as it is, and so does what is right.
	p.want(p.patch(`x`), http.StatusBadRequest)
	p.want(p.do("PATCH", "/nexudus/api/public/coworker/profile", `{}`), http.StatusUnauthorized)
	if got := p.confirmation(p.patch(nexudusPasswords("wrong", "long enough", "long enough")), http.StatusBadRequest); !slices.Equal(got, []string{nexudusOld}) {
		t.Errorf("%q", got)
	}
	p.set(`{"Position":"y"}`)
	p.control("POST", "/nexudus/soft", `{"on":false}`)
	p.refused(`{"CompanyName":null}`, "CompanyName")
	for _, body := range []string{`{}`, `{"on":1}`, `{"off":true}`} {
		if a := p.do("POST", "/_sandbox/nexudus/soft", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, a.status)
		}
	}
	for _, path := range []string{"/mokaru/soft", "/nexudus/hard", "/nobody/soft"} {
		if a := p.do("POST", "/_sandbox"+path, `{"on":true}`); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	p.control("POST", "/nexudus/soft", `{"on":true}`)
	p.control("POST", "/reset", "")
	p.refused(`{"CompanyName":null}`, "CompanyName")
}

func TestTrap24NexudusNullIsLegalForSomeFieldsOnly(t *testing.T) {
	p := startNexudus(t, Options{})
	for _, name := range []string{"NickName", "DateOfBirth", "MobilePhone", "LandLine", "BillingAddress", "BillingPostCode", "BillingCityName", "BillingState",
		"Position", "BusinessArea", "ProfileSummary", "ProfileWebsite", "Twitter", "Linkedin", "Github", "Instagram", "Facebook", "Skype", "Telegram"} {
		p.set(`{` + quote(name) + `:"1990-06-15"}`)
		p.set(`{` + quote(name) + `:null}`)
		if got, there := p.read()[name]; got != nil || !there {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, name := range []string{"FullName", "Gender", "Address", "PostCode", "CityName", "State", "CountryId", "BillingName", "BillingEmail", "BillingCountryId",
		"TaxIDNumber", "CompanyName", "ProfileIsPublic", "ProfileTags", "OnHelpDeskMsg", "OnNewWallPost", "OnNewBlogComment", "OnNewEventComment",
		"ReceiveCommunityDigest", "SignUpToNewsletter", nexudusOld, nexudusNew, nexudusRepeat} {
		before := p.kept()
		if got := p.want(p.patch(`{`+quote(name)+`:null}`), http.StatusBadRequest); !slices.Contains(got, name) || p.kept().Patches != before.Patches {
			t.Errorf("%s: %q", name, got)
		}
	}
	// The empty text is what clears these.
	p.set(`{"CompanyName":"x","State":"x","ProfileTags":"a, b"}`)
	p.set(`{"CompanyName":"","State":"","ProfileTags":""}`)
	if got := p.read(); got["CompanyName"] != "" || got["State"] != "" || got["ProfileTags"] != "" {
		t.Errorf("%v", got)
	}
}

func TestTrap25NexudusFalseHasToBeSent(t *testing.T) {
	p := startNexudus(t, Options{})
	p.set(`{"ProfileIsPublic":true}`)
	p.set(`{}`) // the false that is left out hides nobody
	if got := p.read()["ProfileIsPublic"]; got != true {
		t.Errorf("%v", got)
	}
	p.set(`{"ProfileIsPublic":false}`)
	if got := p.read()["ProfileIsPublic"]; got != false {
		t.Errorf("%v", got)
	}
}

func TestTrap26NexudusPatchHitsTheActiveProfile(t *testing.T) {
	m := &memory{}
	p := startNexudus(t, Options{Store: m})
	ids := p.profiles()
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("%q", ids)
	}
	is := func(p nexudusClient, id, position string) {
		t.Helper()
		if got := p.read(); fmt.Sprintf("%.0f %v", got["Id"], got["Position"]) != id+" "+position {
			t.Errorf("%v %v, not %s %s", got["Id"], got["Position"], id, position)
		}
	}
	p.set(`{"Position":"one"}`)
	is(p, ids[0], "one")
	p.want(p.turn(ids[1]), http.StatusOK)
	is(p, ids[1], "<nil>")
	p.set(`{"Position":"two"}`)
	again := nexudusClient{start(t, Options{Store: m}), "token-1"}
	is(again, ids[1], "two")
	again.want(again.turn(ids[0]), http.StatusOK)
	again.want(again.turn(ids[0]), http.StatusOK)
	is(again, ids[0], "one")
	again.set(`{"Position":null}`)
	is(again, ids[0], "<nil>")
	other := nexudusClient{again.rig, "token-2"}
	again.want(again.turn(other.profiles()[0]), http.StatusNotFound)
	again.want(again.turn("x"), http.StatusNotFound)
	again.want(again.call("PUT", "/api/public/coworkers/profiles/current", ""), http.StatusBadRequest)
	again.want(again.call("GET", "/api/public/coworkers/profiles?x=1", ""), http.StatusBadRequest)
	if got := again.kept(); got.Updates != 3 || got.Patches != 3 || got.Writes != 5 {
		t.Errorf("%+v", got)
	}
}
