package sandbox

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLinkedInKeysOfPersons(t *testing.T) {
	p := startLinkedIn(t, Options{})
	body := `{"patch":{"$set":{"headline":` + english("x") + `}}}`
	auth := []string{"Authorization", "Bearer token-1", "Content-Type", "application/json"}
	try := func(path string, status int, more ...string) {
		t.Helper()
		p.want(p.do("POST", "/linkedin/v2/people/"+path, body, append(auth, more...)...), status)
	}
	const version = "X-RestLi-Protocol-Version"
	try("(id:ABCDEF)", http.StatusBadRequest)
	try("(id:ABCDEF)", http.StatusBadRequest, version, "1.0.0")
	try("(id:ABCDEF)", http.StatusOK, version, "2.0.0")
	try("id=ABCDEF", http.StatusOK)
	try("id=ABCDEF", http.StatusOK, version, "2.0.0")
	try("id=ABCDEF", http.StatusBadRequest, version, "3")
	try("ABCDEF", http.StatusBadRequest, version, "2.0.0")
	try("%28id:ABCDEF%29", http.StatusBadRequest, version, "2.0.0")
	try("(id:)", http.StatusBadRequest, version, "2.0.0")
	try("(id:ABCDEF)?fields=id", http.StatusBadRequest, version, "2.0.0")
	try("(id:ABCDEF)", http.StatusBadRequest, version, "2.0.0", "X-RestLi-Method", "CREATE")
	try("(id:ABCDEF)", http.StatusOK, version, "2.0.0", "X-RestLi-Method", "PARTIAL_UPDATE")
	try("(id:OTHER)", http.StatusNotFound, version, "2.0.0")
	try("id=OTHER/skills", http.StatusNotFound)
	try("id=ABCDEF/skills/abc", http.StatusBadRequest)
	try("id=ABCDEF/hobbies", http.StatusNotFound)
	try("id=ABCDEF/skills/1/2", http.StatusNotFound)
	try("id=ABCDEF%2Fskills", http.StatusBadRequest)
	try("id=ABCDEF", http.StatusUnsupportedMediaType, "Content-Type", "text/plain")
	p.want(p.call("GET", "/v2%2Fme", ""), http.StatusBadRequest)
	for path, methods := range map[string]string{"": "GET, POST", "/skills": "POST", "/skills/1": "POST, DELETE"} {
		a := p.call("PUT", p.path(path), "{}")
		if p.want(a, http.StatusMethodNotAllowed); a.header.Get("Allow") != methods {
			t.Errorf("%q allows %q", path, a.header.Get("Allow"))
		}
	}
	if got := p.requests(); got[2].Account == "" || !got[2].Changed || got[3].Changed {
		t.Errorf("%+v", got[:4])
	}
}

func TestLinkedInOldFormOfTheSections(t *testing.T) {
	p := startLinkedIn(t, Options{})
	auth := []string{"Authorization", "Bearer token-1", "Content-Type", "application/json"}
	a := p.do("POST", "/linkedin/v2/people/id=ABCDEF/skills", linkedinEntities["skills"], auth...)
	p.want(a, http.StatusCreated)
	one := "/linkedin/v2/people/id=ABCDEF/skills/" + a.header.Get("x-restli-id")
	p.want(p.do("POST", one, `{"patch":{"$set":{"name":`+english("C")+`}}}`, auth...), http.StatusOK)
	p.want(p.do("GET", "/linkedin/v2/people/id=ABCDEF?fields=skills", "", auth...), http.StatusOK)
	p.want(p.do("DELETE", one, "", auth...), http.StatusNoContent)
}

func TestLinkedInTokens(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "token-1"} {
		p.want(p.do("GET", "/linkedin/v2/me", "", "Authorization", header), http.StatusUnauthorized)
	}
	p.set(`{"headline":` + english("x") + `}`)
	account := p.kept().Account
	if account != linkedinAccount("token-1") {
		t.Errorf("the account is called %s", account)
	}
	other := linkedinClient{p.rig, "token-2", "SECOND"}
	other.set(`{"headline":` + english("y") + `}`)
	p.control("POST", "/linkedin/revoke", `{"account":"`+account+`"}`)
	p.want(p.edit(`{"patch":{"$delete":["headline"]}}`), http.StatusUnauthorized)
	other.reads("headline", english("y"))
	if got := p.kept(); got.State != "revoked" {
		t.Errorf("%+v", got)
	}
}

// linkedinAccount is the name of the account of a token.
func linkedinAccount(token string) string {
	digest, _ := linkedinKey(http.Header{"Authorization": {"Bearer " + token}})
	return digest[:8]
}

func TestLinkedInReading(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.set(`{"firstName":{"localized":{"de_DE":"Robert","en_US":"Bob"},"preferredLocale":{"country":"US","language":"en"}},
		"lastName":{"localized":{"fr_FR":"Forgeron","en_US":"Smith"}},"vanityName":"bobsmith"}`)
	id := p.create("skills", linkedinEntities["skills"])
	a := p.call("GET", "/v2/me", "")
	p.want(a, http.StatusOK)
	me := p.unmarshal(a.body)
	if me["id"] != "ABCDEF" || me["localizedFirstName"] != "Bob" || me["localizedLastName"] != "Smith" || me["localizedHeadline"] != nil ||
		me["vanityName"] != "bobsmith" || !strings.Contains(a.body, `"id":`+id) {
		t.Errorf("%s", a.body)
	}
	if got := p.read("?fields=vanityName,summary"); len(got) != 1 || got["vanityName"] != "bobsmith" {
		t.Errorf("%v", got)
	}
	if got := p.read(""); got["id"] != "ABCDEF" || got["localizedFirstName"] != nil || len(got) != 5 {
		t.Errorf("%v", got)
	}
	for _, query := range []string{"?fields=", "?fields=nickname", "?fields=id,", "?fields=id&fields=id", "?projection=(id)", "?fields=assets"} {
		p.want(p.call("GET", p.path(query), ""), http.StatusBadRequest)
	}
	p.want(p.call("GET", "/v2/me?fields=localizedFirstName", ""), http.StatusOK)
	p.want(p.call("GET", "/v2/me?fields=%zz", ""), http.StatusBadRequest)
	p.want(p.call("GET", "/v2/me", "", "X-RestLi-Method", "FINDER"), http.StatusBadRequest)
}

func TestLinkedInMeNamesThePersonOfANewToken(t *testing.T) {
	p := startLinkedIn(t, Options{})
	a := p.call("GET", "/v2/me", "")
	p.want(a, http.StatusOK)
	p.want(p.call("GET", p.path(""), ""), http.StatusNotFound)
	p.id, _ = p.unmarshal(a.body)["id"].(string)
	if got := p.kept(); got.Writes != 0 || got.Patches != 0 {
		t.Errorf("a read is an effect: %+v", got)
	}
	p.set(`{"headline":` + english("x") + `}`)
}

func TestLinkedInEffectsAreOneAfterTheOther(t *testing.T) {
	p := startLinkedIn(t, Options{Store: &memory{}})
	p.set(`{"headline":` + english("x") + `}`)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := p.try("POST", "/linkedin"+p.path("/skills"), linkedinEntities["skills"], "Authorization", "Bearer token-1",
				"Content-Type", "application/json", "X-RestLi-Protocol-Version", "2.0.0")
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := p.ids("skills"); len(got) != 20 {
		t.Errorf("%d skills", len(got))
	}
}

func TestLinkedInEffectThatCannotBeStoredIsNotMade(t *testing.T) {
	m := &memory{}
	p := startLinkedIn(t, Options{Store: m})
	id := p.create("skills", linkedinEntities["skills"])
	m.fail = true
	p.want(p.call("DELETE", p.path("/skills/"+id), ""), http.StatusInternalServerError)
	m.fail = false
	if got := p.ids("skills"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestLinkedInLostAnswerOfACreateLeavesTheEntity(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.control("POST", "/faults", `{"provider":"linkedin","kind":"drop_after","method":"POST","path":"/v2/people/(id:ABCDEF)/skills"}`)
	_, err := p.try("POST", "/linkedin"+p.path("/skills"), linkedinEntities["skills"], "Authorization", "Bearer token-1",
		"Content-Type", "application/json", "X-RestLi-Protocol-Version", "2.0.0")
	if err == nil {
		t.Fatal("answered")
	}
	if got := p.ids("skills"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

func TestLinkedInStoredValuesAreChecked(t *testing.T) {
	for _, set := range []string{
		`{"nickname":"x"}`, `{"headline":"x"}`, `{"headline":7}`, `{"skills":[]}`, `{"skills":[{"name":{}}]}`, `{"skills":{"a":1}}`, `{"skillsOrder":7}`,
		`{"id":null}`, `{"id":7}`, `{"vanityName":{"a":1}}`, `{"websites":{"a":1}}`, `{"assets":[1]}`, `{"headline":true}`,
	} {
		m := &memory{records: [][]byte{[]byte(`{"op":"patch","provider":"linkedin","account":"` + strings.Repeat("a", 64) + `","set":` + set + `}`)}}
		if _, err := New(Options{Store: m}); err == nil {
			t.Errorf("%s is taken", set)
		}
	}
	set := `{"id":"A","headline":{"localized":{"en":"x"}},"skills":[{"id":1}],"skillsOrder":[1],"summary":null,"associations":null,"assets":{"a":{"recipe":"x"}}}`
	m := &memory{records: [][]byte{[]byte(`{"op":"patch","provider":"linkedin","account":"` + strings.Repeat("a", 64) + `","set":` + set + `}`)}}
	if _, err := New(Options{Store: m}); err != nil {
		t.Error(err)
	}
}

func TestLinkedInReadsLagBehindAndWritesDoNot(t *testing.T) {
	c := newClock()
	p := startLinkedIn(t, Options{Clock: c.now})
	p.set(`{"headline":` + english("old") + `}`)
	p.control("POST", "/linkedin/lag", `{"delay":"2s"}`)
	id := p.create("skills", linkedinEntities["skills"])
	p.set(`{"skillsOrder":[` + id + `]}`) // the write knows the skill
	p.reads("skills", "")
	c.move(2 * time.Second)
	p.reads("skillsOrder", `[`+id+`]`)
}

func TestLinkedInBodyThatIsTooLarge(t *testing.T) {
	p := startLinkedIn(t, Options{})
	p.want(p.edit(`{"patch":`+strings.Repeat(" ", maxBody)+`{}}`), http.StatusRequestEntityTooLarge)
}

func TestLinkedInUnknownPathsAndErrors(t *testing.T) {
	p := startLinkedIn(t, Options{})
	for _, path := range []string{"/", "/v2", "/v2/people", "/v2/people/", "/v3/me", "/v2/me/x", "/mediaUpload/a/b/1"} {
		a := p.call("GET", path, "")
		if path == "/v2/people/" {
			p.want(a, http.StatusBadRequest)
			continue
		}
		p.want(a, http.StatusNotFound)
	}
}
