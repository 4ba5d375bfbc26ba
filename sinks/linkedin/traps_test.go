package linkedin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks"
)

// TestTrap15FirstNameKeepsItsOtherLocales: a $set with only one locale of a name would
// delete the others, so all of them are sent whenever one changes.
func TestTrap15FirstNameKeepsItsOtherLocales(t *testing.T) {
	p := state()
	set(t, p, "firstName", `"Jane"`)
	set(t, p, "firstName@fr_FR", `"Jeanne"`)
	set(t, p, "firstName@de_DE", `"Johanna"`)
	set(t, p, "firstName@fr_FR", `"Jeannette"`)
	c := call(Profile, sinks.VerbSet)
	c.Body = make1(t, Profile, p, sinks.Have{}).Body
	w := always(200, "")
	client(t, w).Call(context.Background(), c)
	_, body := w.only(t)
	same(t, "the patch", []byte(body), `{"patch":{"$set":{"firstName":{"localized":{"en_US":"Jane","de_DE":"Johanna","fr_FR":"Jeannette"},
		"preferredLocale":{"country":"US","language":"en"}}}}}`)
}

// TestTrap16PicturesHaveTheOperatorInsideTheField: patch.<field>.$set for pictures,
// patch.$set.<field> for everything else.
func TestTrap16PicturesHaveTheOperatorInsideTheField(t *testing.T) {
	for _, entity := range []string{ProfilePicture, BackgroundPicture} {
		c := call(entity, sinks.VerbSet)
		c.Step = stepPatch
		c.Results = map[string][]byte{stepRegisterOriginal: []byte(`{"asset":"urn:li:digitalmediaAsset:O","uploadUrl":"https://api.linkedin.com/o"}`),
			stepRegisterDisplay: []byte(`{"asset":"urn:li:digitalmediaAsset:D","uploadUrl":"https://api.linkedin.com/d"}`)}
		w := always(200, "")
		if out := client(t, w).Call(context.Background(), c); out.Verdict != sinks.Applied {
			t.Errorf("%+v", out)
		}
		_, body := w.only(t)
		same(t, entity, []byte(body), `{"patch":{"`+entity+`":{"$set":{"originalImage":"urn:li:digitalmediaAsset:O","displayImage":"urn:li:digitalmediaAsset:D"}}}}`)
	}
}

// TestTrap17IMsAreOneMapOfThree: the whole map is sent with each change; a fourth entry,
// or a key that is not the id inside, is refused before it is sent.
func TestTrap17IMsAreOneMapOfThree(t *testing.T) {
	entry := func(key, id string) string { return fmt.Sprintf(`%q:{"id":%q,"provider":"SKYPE"}`, key, id) }
	with := func(entries ...string) *ledger.Profile {
		p := state()
		p.Shared[ims] = ledger.Cell{Value: ledger.Value("{" + strings.Join(entries, ",") + "}")}
		return p
	}
	three := []string{entry("a", "a"), entry("b", "b"), entry("c", "c")}
	body := string(make1(t, Profile, with(three...), sinks.Have{}).Body)
	if want := `{"ims":{` + strings.Join(three, ",") + `}}`; body != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
	for name, p := range map[string]*ledger.Profile{
		"has 4 entries":    with(append(three, entry("d", "d"))...),
		"is not the name":  with(entry("a", "b")),
		"without provider": with(`"a":{"id":"a"}`),
	} {
		if why := unsendable(t, Profile, p, sinks.Have{}); !strings.Contains(why, name) || !strings.Contains(why, ims) {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// TestTrap18CreateIsBareAndUpdateIsAPatch: both are POST; only the id at the end of the
// path differs.
func TestTrap18CreateIsBareAndUpdateIsAPatch(t *testing.T) {
	p := state()
	add(t, p, "skills", "a", `{"name":"Go"}`)
	payload := make1(t, "skills/a", p, sinks.Have{})
	const entity = `{"name":{"localized":{"en_US":"Go"},"preferredLocale":{"country":"US","language":"en"}}}`
	for verb, want := range map[sinks.Verb]struct{ ref, path, body, restli string }{
		sinks.VerbCreate: {"", "/linkedin/v2/people/(id:ABCDEF)/skills", entity, "CREATE"},
		sinks.VerbUpdate: {"17", "/linkedin/v2/people/(id:ABCDEF)/skills/17", `{"patch":{"$set":` + entity + `}}`, "PARTIAL_UPDATE"},
	} {
		c := call("skills/a", verb)
		c.Body, c.Ref = payload.Body, want.ref
		w := always(201, "", "x-restli-id", "17")
		client(t, w).Call(context.Background(), c)
		r, body := w.only(t)
		if r.Method != "POST" || r.URL.Path != want.path || r.Header.Get("X-RestLi-Method") != want.restli {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		same(t, verb.String(), []byte(body), want.body)
		if strings.Contains(body, `"id"`) {
			t.Errorf("the server gives ids: %s", body)
		}
	}
}

// TestTrap19TheNewIDIsInAHeader: x-linkedin-id or x-restli-id; the body is never asked, and
// without an id nothing is taken for made.
func TestTrap19TheNewIDIsInAHeader(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		headers []string
		want    sinks.Verdict
		ref     string
	}{
		{201, "", []string{"x-linkedin-id", "4294967296"}, sinks.Applied, "4294967296"},
		{201, "", []string{"x-restli-id", "17"}, sinks.Applied, "17"},
		{201, "", []string{"x-restli-id", "18", "x-linkedin-id", "17"}, sinks.Applied, "17"},
		{200, "{}", []string{"x-restli-id", "17"}, sinks.Applied, "17"},
		{201, `{"id":17}`, nil, sinks.Unknown, ""},
		{201, "", []string{"x-linkedin-id", ""}, sinks.Unknown, ""},
		{201, "", []string{"x-linkedin-id", "urn:li:x"}, sinks.Unknown, ""},
		{201, "", []string{"x-linkedin-id", "-1"}, sinks.Unknown, ""},
		{201, "", []string{"x-linkedin-id", "017"}, sinks.Unknown, ""},
		{201, "", []string{"x-linkedin-id", "9223372036854775808"}, sinks.Unknown, ""},
		{500, "", []string{"x-linkedin-id", "17"}, sinks.Unknown, ""},
		{422, "", []string{"x-linkedin-id", "17"}, sinks.Refused, ""},
	} {
		a := call("skills/a", sinks.VerbCreate)
		a.Body = []byte(`{}`)
		out := client(t, always(c.status, c.body, c.headers...)).Call(context.Background(), a)
		if out.Verdict != c.want || out.Ref != c.ref {
			t.Errorf("%d %s %v: %+v", c.status, c.body, c.headers, out)
		}
	}
}

// TestTrap20ACurrentPositionHasNoEnd: reopening one deletes endMonthYear; there is no null
// and no zero date.
func TestTrap20ACurrentPositionHasNoEnd(t *testing.T) {
	p := state()
	add(t, p, "workExperiences", "a", `{"jobTitle":"Engineer","company":"Acme","startDate":"2019-05","endDate":"2020-06"}`)
	was := make1(t, "positions/a", p, sinks.Have{})
	for _, reopened := range []string{`{"jobTitle":"Engineer","company":"Acme","startDate":"2019-05"}`,
		`{"jobTitle":"Engineer","company":"Acme","startDate":"2019-05","endDate":"2020-06","isCurrent":true}`} {
		add(t, p, "workExperiences", "a", reopened)
		now := make1(t, "positions/a", p, sinks.Have{Ref: "17", Fields: was.Fields})
		if strings.Contains(string(now.Body), "endMonthYear") || strings.Join(now.Clears, " ") != "endMonthYear" || strings.Join(now.Steps, " ") != "set delete" {
			t.Errorf("%s: %s %v %v", reopened, now.Body, now.Clears, now.Steps)
		}
		c := call("positions/a", sinks.VerbUpdate)
		c.Ref, c.Step, c.Body, c.Clears = "17", stepDelete, now.Body, now.Clears
		w := always(200, "")
		client(t, w).Call(context.Background(), c)
		_, body := w.only(t)
		same(t, "the patch", []byte(body), `{"patch":{"$delete":["endMonthYear"]}}`)
	}
}

// TestTrap21AnOrderHasOnlyWhatIsThere: an id that is not created yet, or deleted already,
// would fail the whole order.
func TestTrap21AnOrderHasOnlyWhatIsThere(t *testing.T) {
	p := state()
	for _, id := range []string{"a", "b", "c"} {
		add(t, p, "skills", id, `{"name":"`+id+`"}`)
	}
	refs := map[string]string{"c": "3", "a": "1"}
	if got := string(make1(t, "skills", p, sinks.Have{Refs: refs}).Body); got != `[1,3]` {
		t.Errorf("b is not created yet: %s", got)
	}
	refs["b"] = "2"
	if got := string(make1(t, "skills", p, sinks.Have{Refs: refs}).Body); got != `[1,2,3]` {
		t.Errorf("all are there: %s", got)
	}
	drop(p, "skills", "a")
	if got := string(make1(t, "skills", p, sinks.Have{Refs: refs}).Body); got != `[2,3]` {
		t.Errorf("a is deleted: %s", got)
	}
	drop(p, "skills", "c")
	if got := make1(t, "skills", p, sinks.Have{Refs: refs}).Body; got != nil {
		t.Errorf("one is no order: %s", got)
	}
}

// TestTrap22ThrottlingWaitsForMidnight: a throttled call is no attempt; without a word about
// how long, the waits grow to a quarter of an hour and then until the day of UTC is over.
func TestTrap22ThrottlingWaitsForMidnight(t *testing.T) {
	c := call(Profile, sinks.VerbSet)
	c.Body = []byte(`{"vanityName":"abc"}`)
	p := client(t, always(429, `{"message":"Resource level throttle limit for calls to this resource is reached.","status":429}`))
	out := p.Call(context.Background(), c)
	if out.Verdict != sinks.Throttled || out.RetryAfter != 0 || out.Most != 0 || out.Fault.Sent != sinks.SentYes {
		t.Errorf("%+v", out)
	}
	var waits []string
	for _, d := range p.Rate().Probes {
		waits = append(waits, d.String())
	}
	if got := strings.Join(waits, " "); got != "1m0s 2m0s 5m0s 15m0s" {
		t.Error(got)
	}
	out = client(t, always(429, "", "Retry-After", "43200")).Call(context.Background(), c)
	if out.RetryAfter != 12*time.Hour {
		t.Errorf("half a day: %+v", out)
	}
}
