package sandbox

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

func TestTrapLinkedInSettingOneLocaleDeletesTheOthers(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.set(`{"firstName":{"localized":{"en_US":"Bob","fr_FR":"Robert"},"preferredLocale":{"country":"US","language":"en"}}}`)
	p.set(`{"firstName":` + english("Bobby") + `}`)
	p.reads("firstName", english("Bobby"))
}

func TestTrapLinkedInPicturesHaveTheOperatorInside(t *testing.T) {
	p := startLinkedIn(t, Options{})
	original, display := p.picture("profile-originalphoto-image"), p.picture("profile-displayphoto-image")
	images := `{"originalImage":` + quote(original) + `,"displayImage":` + quote(display) + `}`
	p.want(p.edit(`{"patch":{"$set":{"profilePicture":`+images+`}}}`), http.StatusBadRequest)
	p.want(p.edit(`{"patch":{"headline":{"$set":`+english("x")+`}}}`), http.StatusBadRequest)
	p.want(p.edit(`{"patch":{"profilePicture":{"$set":`+images+`}}}`), http.StatusOK)
	p.want(p.edit(`{"patch":{"profilePicture":{"$set":`+images+`},"$set":{"headline":`+english("x")+`}}}`), http.StatusBadRequest)
}

func TestTrapLinkedInOneIMReplacesTheMap(t *testing.T) {
	p := startLinkedIn(t, Options{})
	im := func(id string) string { return quote(id) + `:{"id":` + quote(id) + `,"provider":"SKYPE"}` }
	p.set(`{"ims":{` + im("a") + `,` + im("b") + `,` + im("c") + `}}`)
	p.want(p.edit(`{"patch":{"$set":{"ims":{`+im("a")+`,`+im("b")+`,`+im("c")+`,`+im("d")+`}}}}`), http.StatusUnprocessableEntity)
	p.want(p.edit(`{"patch":{"$set":{"ims":{"e":{"id":"f","provider":"SKYPE"}}}}}`), http.StatusUnprocessableEntity)
	p.set(`{"ims":{` + im("d") + `}}`)
	p.reads("ims", `{`+im("d")+`}`)
}

func TestTrapLinkedInCreatesAreBareAndUpdatesAreWrapped(t *testing.T) {
	p := startLinkedIn(t, Options{})
	bare := `{"name":` + english("Go") + `}`
	wrapped := `{"patch":{"$set":` + bare + `}}`
	p.want(p.call("POST", p.path("/skills"), wrapped), http.StatusBadRequest)
	id := p.create("skills", bare)
	p.want(p.call("POST", p.path("/skills/"+id), bare), http.StatusBadRequest)
	a := p.call("POST", p.path("/skills/"+id), wrapped)
	if p.want(a, http.StatusOK); a.body != "" {
		t.Errorf("answered with %s", a.body)
	}
	p.want(p.call("POST", p.path("/skills/"+id), `{"patch":{"$set":`+bare+`,"$delete":["name"]}}`), http.StatusBadRequest)
}

func TestTrapLinkedInCreatedIDIsInTheHeadersOnly(t *testing.T) {
	p := startLinkedIn(t, Options{})
	a := p.call("POST", p.path("/skills"), linkedinEntities["skills"])
	id := a.header.Get("x-linkedin-id")
	if a.body != "" || id != a.header.Get("x-restli-id") || !slices.Equal(p.ids("skills"), []string{id}) {
		t.Errorf("%v %q", a.header, a.body)
	}
	// Whoever lost it and sends again has two.
	p.create("skills", linkedinEntities["skills"])
	if got := p.ids("skills"); len(got) != 2 {
		t.Errorf("%q", got)
	}
}

func TestTrapLinkedInReopenedPositionNeedsDelete(t *testing.T) {
	p := startLinkedIn(t, Options{})
	one := p.path("/positions/" + p.create("positions", linkedinEntities["positions"]))
	for _, end := range []string{`null`, `{}`, `""`, `[]`, `{"month":0,"year":0}`, `{"year":0}`} {
		p.want(p.call("POST", one, `{"patch":{"$set":{"endMonthYear":`+end+`}}}`), http.StatusUnprocessableEntity)
	}
	p.want(p.call("POST", one, `{"patch":{"$delete":["endMonthYear"]}}`), http.StatusOK)
	position := p.read("")["positions"].([]any)[0].(map[string]any)
	if _, there := position["endMonthYear"]; there || position["startMonthYear"] == nil {
		t.Errorf("%v", position)
	}
}

func TestTrapLinkedInOrderNeedsTheEntitiesToBeThere(t *testing.T) {
	p := startLinkedIn(t, Options{})
	first, second := p.create("positions", linkedinEntities["positions"]), p.create("positions", linkedinEntities["positions"])
	skill := p.create("skills", linkedinEntities["skills"])
	p.want(p.edit(`{"patch":{"$set":{"positionsOrder":[`+second+`,12345]}}}`), http.StatusUnprocessableEntity)
	p.want(p.edit(`{"patch":{"$set":{"positionsOrder":[`+second+`,`+skill+`]}}}`), http.StatusUnprocessableEntity)
	p.set(`{"positionsOrder":[` + second + `,` + first + `]}`)
	p.want(p.call("DELETE", p.path("/positions/"+first), ""), http.StatusNoContent)
	p.want(p.edit(`{"patch":{"$set":{"positionsOrder":[`+second+`,`+first+`]}}}`), http.StatusUnprocessableEntity)
	p.set(`{"positionsOrder":[` + second + `]}`)
}

func TestTrapLinkedInLimitEndsAtMidnightUTC(t *testing.T) {
	c := newClock() // noon
	p := startLinkedIn(t, Options{Clock: c.now, PerDay: 3})
	p.set(`{"headline":` + english("x") + `}`)
	p.want(p.edit(`{}`), http.StatusBadRequest) // counts too
	p.want(p.call("GET", "/v2/me", ""), http.StatusOK)
	for range 2 {
		a := p.edit(`{"patch":{"$delete":["headline"]}}`)
		if p.want(a, http.StatusTooManyRequests); a.header.Get("Retry-After") != "" {
			t.Errorf("%v", a.header)
		}
		c.move(time.Minute)
	}
	other := linkedinClient{p.rig, "token-2", "SECOND"}
	other.want(other.call("GET", "/v2/me", ""), http.StatusOK)
	c.move(12*time.Hour - 2*time.Minute - time.Nanosecond)
	p.want(p.call("GET", "/v2/me", ""), http.StatusTooManyRequests)
	c.move(time.Nanosecond)
	p.want(p.call("GET", "/v2/me", ""), http.StatusOK)
	c.move(-time.Hour) // a clock that goes backwards opens nothing
	p.reads("headline", english("x"))
	p.want(p.call("GET", "/v2/me", ""), http.StatusOK)
	p.want(p.call("GET", "/v2/me", ""), http.StatusTooManyRequests)
}
