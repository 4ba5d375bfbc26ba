package linkedin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/sandbox"
	"vitae/sinks/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a profile, the stand-in LinkedIn, and the sink between them, without sockets.
type rig struct {
	*sinktest.Rig
	box *sandbox.Server
}

func inBubble(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		box, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{Rig: sinktest.NewRig(t, box.Handler()), box: box}
		r.Config.RequestsPerDay = -1
		r.Files = sinktest.Every(picture, "image/png")
		f(r)
	})
}

// picture is what every file holds; its reference only has to have the form of one.
var picture = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{7}, 100)...)

func (r *rig) start() {
	r.Helper()
	p, err := New("https://api.linkedin.example/linkedin", r.Net)
	if err != nil {
		r.Fatal(err)
	}
	r.Start(p)
}

// rest waits until nothing is to be done; nothing may be parked.
func (r *rig) rest() {
	r.Helper()
	r.Rest()
	parked, err := r.Manager.Parked(context.Background(), ledger.LinkedIn)
	if err != nil || len(parked) > 0 {
		r.Fatalf("%v: %+v", err, parked)
	}
}

const token = "AQX-canary-token"

// ask calls the stand-in itself.
func (r *rig) ask(method, path, body string, into any) int {
	r.Helper()
	return r.Ask(method, path, body, into, "Authorization", "Bearer "+token, "X-RestLi-Protocol-Version", "2.0.0")
}

func (r *rig) member() string {
	r.Helper()
	var me struct{ ID string }
	r.ask(http.MethodGet, "/linkedin/v2/me", "", &me)
	return me.ID
}

func (r *rig) bind(id ledger.ProfileID) {
	r.World.SetSecret(id, "credential."+ledger.LinkedIn, token)
	r.World.Commit(id, ledger.Event{View: ledger.Shared, Field: ledger.Connections, Item: ledger.LinkedIn, Op: ledger.OpBound,
		Value: ledger.Value(fmt.Sprintf(`{"account":%q,"settings":{}}`, r.member()))})
}

func (r *rig) account() (a sandbox.Account) {
	r.Helper()
	r.ask(http.MethodGet, "/_sandbox/linkedin/account", "", &a)
	return a
}

// holds is what the stand-in has in a member of the person, as JSON.
func (r *rig) holds(name string) ledger.Node {
	r.Helper()
	var v map[string]json.RawMessage
	r.ask(http.MethodGet, "/linkedin/v2/people/(id:"+r.member()+")?fields="+name, "", &v)
	if v[name] == nil {
		return ledger.Node{}
	}
	n, err := ledger.ParseJSON(v[name])
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// listed are the items of a section there.
func (r *rig) listed(section string) []sinks.Listed {
	r.Helper()
	items, ok := listed(sectionOf(section), object(member(section, r.holds(section))))
	if !ok {
		r.Fatalf("%s: %s", section, r.holds(section).Append(nil))
	}
	return items
}

// clean says that the stand-in refused nothing.
func (r *rig) clean() {
	r.Helper()
	var list []sandbox.Request
	r.ask(http.MethodGet, "/_sandbox/requests", "", &list)
	if len(list) == 0 {
		r.Error("there was no request")
	}
	for _, q := range list {
		if q.Status >= 300 {
			r.Errorf("%s %s was answered %d", q.Method, q.Path, q.Status)
		}
	}
}

// scalars are a value for each field of the main resource.
func scalars() []string {
	return []string{"firstName", `"Jane"`, "firstName@fr_FR", `"Jeanne"`, "lastName", `"Smith"`, "maidenName", `"Doe"`, "headline", `"Engineer"`, "headline@fr_FR", `"Ingénieure"`,
		"summary", `"About me"`, "summary@fr_FR", `"Sur moi"`, "address", `"2029 Stierlin Ct"`, "birthDate", `"1974-01-31"`, vanityName, `"janesmith"`,
		"linkedin.industryId", `"urn:li:industry:47"`, "linkedin.geoLocation.geo", `"urn:li:geo:123456789"`, "linkedin.location.countryCode", `"us"`,
		"linkedin.location.postalCode", `"94101"`, "linkedin.location.standardizedLocationUrn", `"urn:li:standardizedLocationKey:(us,94101)"`,
		"phone", `"123-444-5555"`, "website", `"https://jane.example"`, "portfolio", `"https://work.example"`,
		ims, `{"bob":{"id":"bob","provider":"GTALK"}}`, "linkedin.contactInstructions", `"by post"`, "linkedin.interests", `"reading"`,
		"linkedin.phoneticFirstName@ja_JP", `"ジェーン"`, "linkedin.selectedContactInterests", `[{"predefinedInterest":"INVESTING"}]`,
		"linkedin.volunteeringInterests.supportedPredefinedCauses", `["politics"]`,
		supportedLocales, `[{"country":"US","language":"en"},{"country":"FR","language":"fr"},{"country":"JP","language":"ja"}]`}
}

// firsts are an item of each collection, and edited what they become.
func firsts() map[string][2]string {
	return map[string][2]string{
		"certificates":    {`{"name":"CKA","issuer":"CNCF","issueDate":"2020-02-03","credentialId":"LF-1","verificationUrl":"https://cncf.example/1"}`, `{"name":"CKA","issuer":"CNCF","expiryDate":"2023-01"}`},
		"courses":         {`{"name":"Logic","number":"CS 101"}`, `{"name":"Logic II"}`},
		"educations":      {`{"school":"SCU","degree":"B.S.","field":"CE","grade":"3.9","activities":"Chess","startDate":"2011-09-01","endDate":"2013-06","description":"Honors"}`, `{"school":"SCU","startDate":"2011","isCurrent":true}`},
		"awards":          {`{"name":"Best","organisation":"ACM","date":"2019-12-31","description":"of all"}`, `{"name":"Best","date":"2019-12"}`},
		"languages":       {`{"name":"French","name@fr_FR":"Français","proficiency":"NATIVE_OR_BILINGUAL"}`, `{"name":"French"}`},
		"organizations":   {`{"name":"ACM","position":"Chair","startDate":"2018-03","endDate":"2019-04","description":"d"}`, `{"name":"ACM","startDate":"2018-03"}`},
		"patents":         {`{"title":"API","issuer":"us","number":"12345","issueDate":"2016-02-02","inventors":["Bob Smith"],"url":"https://p.example","description":"d"}`, `{"title":"API","issuer":"us","pending":true,"number":"12345","filingDate":"2014-01-01"}`},
		"workExperiences": {`{"jobTitle":"Engineer","company":"Acme","location":"Lyon","startDate":"2019-05-17","endDate":"2020-01","description":"d"}`, `{"jobTitle":"Engineer","company":"Acme","startDate":"2019-05","isCurrent":true}`},
		"projects":        {`{"name":"Vitae","description":"A ledger","startDate":"2019-05-17","endDate":"2020-01","url":"https://v.example"}`, `{"name":"Vitae","description":"The ledger"}`},
		"publications":    {`{"name":"On Ledgers","publisher":"ACM","date":"2006-08-01","url":"https://acm.example","description":"d"}`, `{"name":"On Ledgers","date":"2006"}`},
		"skills":          {`{"name":"Go"}`, `{"name":"Golang"}`},
		"testScores":      {`{"name":"GRE","score":"170","date":"2019-05-17","description":"d"}`, `{"name":"GRE","score":"171"}`},
		"volunteering":    {`{"organisation":"Red Cross","role":"Driver","cause":"health","startDate":"2019-05","endDate":"2020-06","description":"d"}`, `{"organisation":"Red Cross","role":"Lead"}`},
	}
}

// TestEveryFieldArrives: what is set, changed and cleared is so at LinkedIn, in all locales.
func TestEveryFieldArrives(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create(scalars()...)
		r.bind(id)
		r.start()
		r.rest()
		r.agrees(id, Profile)
		r.World.Set(id, "firstName@fr_FR", `"Jeannette"`, "phone.type", `"HOME"`)
		r.rest()
		if got := string(r.holds("firstName").Append(nil)); !strings.Contains(got, `"Jane"`) || !strings.Contains(got, `"Jeannette"`) {
			t.Errorf("firstName: %s", got)
		}
		for _, name := range []string{"headline", "headline@fr_FR", "birthDate", "linkedin.location.postalCode", "phone", ims, "website", "portfolio", "linkedin.selectedContactInterests"} {
			r.World.Clear(id, name)
		}
		r.rest()
		r.agrees(id, Profile)
		for _, name := range []string{"headline", "birthDate", "phoneNumbers", "websites", "ims", "selectedContactInterests"} {
			if n := r.holds(name); !isNothing(n) {
				t.Errorf("%s is still there: %s", name, n.Append(nil))
			}
		}
		r.Stop()
		r.clean()
	})
}

// agrees compares what the stand-in has with what the state should be there.
func (r *rig) agrees(id ledger.ProfileID, entity string) {
	r.Helper()
	p, err := r.World.Profile(context.Background(), id, 0)
	if err != nil {
		r.Fatal(err)
	}
	payload := make1(r, entity, p, sinks.Have{})
	got := object()
	for _, f := range fields {
		got.Members = append(got.Members, member(f.name, r.holds(f.name)))
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	if echo := echoProfile(got, names); string(echo) != string(payload.Echo) {
		r.Errorf("%s:\ngot  %s\nwant %s", entity, echo, payload.Echo)
	}
}

// TestEverySection: items are made, changed, put in order and taken out; nothing else is
// written.
func TestEverySection(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`, "lastName", `"Smith"`)
		for name, item := range firsts() {
			r.World.Put(id, name, "a", item[0])
			second := strings.NewReplacer(`CKA`, `CKS`, `Logic`, `Sets`, `SCU`, `MIT`, `Best`, `Second`, `French`, `Dutch`, `ACM`, `IEEE`, `API`, `ABI`, `Acme`, `Other`, `Vitae`, `Log`,
				`On Ledgers`, `On Logs`, `"Go"`, `"SQL"`, `GRE`, `SAT`, `Red Cross`, `WWF`).Replace(item[0])
			r.World.Put(id, name, "b", second)
		}
		r.bind(id)
		r.start()
		r.rest()
		if a := r.account(); a.Creates != 26 || a.Updates+a.Deletes > 0 {
			t.Errorf("after the creates: %+v", a)
		}
		check := func(what string, order ...string) {
			t.Helper()
			p, err := r.World.Profile(context.Background(), id, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sections {
				items := r.listed(s.name)
				var want []string
				for _, item := range order {
					echo := string(make1(t, s.name+"/"+item, p, sinks.Have{}).Echo)
					i := slices.IndexFunc(items, func(l sinks.Listed) bool { return string(l.Echo) == echo })
					if i < 0 {
						t.Errorf("%s: %s/%s is not there: %s in %s", what, s.name, item, echo, r.holds(s.name).Append(nil))
						return
					}
					want = append(want, items[i].Ref)
				}
				if len(items) != len(order) {
					t.Errorf("%s: %d items in %s", what, len(items), s.name)
				}
				if got := string(r.holds(s.name + "Order").Append(nil)); len(want) > 1 && got != "["+strings.Join(want, ",")+"]" {
					t.Errorf("%s: %s is in the order %s, want %v", what, s.name, got, want)
				}
			}
		}
		check("created", "a", "b")
		for name, item := range firsts() {
			r.World.Put(id, name, "a", item[1])
			r.World.Order(id, name, "b", "a")
		}
		r.rest()
		check("changed", "b", "a")
		if a := r.account(); a.Creates != 26 || a.Deletes > 0 {
			t.Errorf("after the changes: %+v", a)
		}
		before := r.account().Writes
		r.bind(id) // again: nothing is written
		r.rest()
		if a := r.account(); a.Writes != before || a.Creates != 26 {
			t.Errorf("after binding again: %+v, %d writes before", a, before)
		}
		plan, err := r.Manager.Plan(context.Background(), sinks.Target{Sink: ledger.LinkedIn})
		if err != nil || plan.Operations != 0 {
			t.Errorf("a plan: %+v, %v", plan, err)
		}
		for name := range firsts() {
			r.World.Remove(id, name, "b")
		}
		r.rest()
		check("removed", "a")
		if a := r.account(); a.Creates != 26 || a.Deletes != 13 {
			t.Errorf("after the removals: %+v", a)
		}
		r.Stop()
		r.clean()
	})
}

// TestPicturesArrive: both are uploaded twice; an upload URL that is gone is registered
// again; clearing takes one away.
func TestPicturesArrive(t *testing.T) {
	inBubble(t, func(r *rig) {
		id := r.World.Create("firstName", `"Jane"`, "picture", `"sha256:`+strings.Repeat("0a", 32)+`"`, "coverPicture", `"sha256:`+strings.Repeat("0b", 32)+`"`)
		r.bind(id)
		gone := true
		r.Net.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.Method == http.MethodPut && gone {
				gone = false
				w.WriteHeader(http.StatusGone)
				return
			}
			r.box.Handler().ServeHTTP(w, q)
		})
		r.start()
		r.rest()
		for _, name := range []string{ProfilePicture, BackgroundPicture} {
			n := r.holds(name)
			original, _ := n.Member("originalImage")
			display, _ := n.Member("displayImage")
			if original.Text == "" || display.Text == "" || original.Text == display.Text {
				t.Errorf("%s: %s", name, n.Append(nil))
			}
		}
		r.World.Clear(id, "picture")
		r.rest()
		r.Stop()
		if n := r.holds(ProfilePicture); !isNothing(n) {
			t.Errorf("the picture is still there: %s", n.Append(nil))
		}
		if n := r.holds(BackgroundPicture); isNothing(n) {
			t.Error("the other one has gone with it")
		}
		for _, secret := range []string{token, "mediaUpload", "?ca="} {
			if strings.Contains(r.Kept(), secret) {
				t.Errorf("%q is in the lanes or the log", secret)
			}
		}
	})
}

// TestALostAnswerMakesNoTwin: the answers to creates are lost in every way; each item is
// there once.
func TestALostAnswerMakesNoTwin(t *testing.T) {
	for _, fate := range []sinktest.Fate{sinktest.LostBefore, sinktest.LostAfter, sinktest.Garbage, sinktest.ErrorAfter, sinktest.Throttle, sinktest.ResetMid, sinktest.LateLanding} {
		t.Run(string(fate), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				id := r.World.Create("firstName", `"Jane"`, "lastName", `"Smith"`)
				for name, item := range firsts() {
					r.World.Put(id, name, "a", item[0])
				}
				r.bind(id)
				met := map[string]bool{}
				var mu sync.Mutex
				r.Meet(func(q *http.Request) sinktest.Fate {
					mu.Lock()
					defer mu.Unlock()
					if q.Header.Get("X-RestLi-Method") != "CREATE" || met[q.URL.Path] {
						return sinktest.OK
					}
					met[q.URL.Path] = true
					return fate
				})
				r.start()
				r.rest()
				r.Stop()
				for _, s := range sections {
					if n := len(r.listed(s.name)); n != 1 {
						t.Errorf("%s: %d items", s.name, n)
					}
				}
				if len(met) != 13 {
					t.Errorf("%d creates met their fate", len(met))
				}
			})
		})
	}
}
