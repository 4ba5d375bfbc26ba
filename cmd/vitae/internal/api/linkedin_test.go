package api

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
)

// member is the person of these tests at LinkedIn.
const member = "ABCDEF"

// restli is the header that the paths with parentheses need.
var restli = map[string]string{"X-RestLi-Protocol-Version": "2.0.0"}

// linkedInWorld is a world with one connected profile and its own key.
func linkedInWorld(t *testing.T) (w *world, id ledger.ProfileID, key string) {
	t.Helper()
	w = newWorld(t, Config{})
	id = w.person(jane)
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + id.String() + "/connections/linkedin", key: adminText, body: `{"credential":"token","account":"` + member + `"}`})
	return w, id, w.key(id, keys.ProfileRead|keys.ProfileWrite)
}

func (w *world) linkedIn(key, path, body string) call {
	return call{method: "POST", path: "/v2/people/(id:" + member + ")" + path, key: key, body: body, header: restli}
}

// linkedInError checks the form of an error and gives its message.
func linkedInError(t *testing.T, a answer) string {
	t.Helper()
	v := a.json(t)
	message, _ := v["message"].(string)
	if len(v) != 3 || message == "" || v["status"] != float64(a.status) || v["serviceErrorCode"] != float64(a.status) || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return message
}

// value follows a path of names and finds what is there.
func value(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestLinkedInPaths: both forms of a person's path, and what they name.
func TestLinkedInPaths(t *testing.T) {
	w, id, key := linkedInWorld(t)
	other := w.person(`{"firstName":"Ann","lastName":"Lee","email":"ann@example.com"}`)
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + other.String() + "/connections/linkedin", key: adminText, body: `{"credential":"token","account":"OTHER"}`})
	for _, c := range []struct {
		path   string
		header map[string]string
		key    string
		status int
	}{
		{"/v2/people/(id:" + member + ")", restli, key, 200},
		{"/v2/people/(id%3A" + member + ")", restli, key, 200},
		{"/v2/people/(id:" + member + ")", nil, key, 400},
		{"/v2/people/(id:" + member + ")", map[string]string{"X-RestLi-Protocol-Version": "1.0.0"}, key, 400},
		{"/v2/people/id=" + member, nil, key, 200},
		{"/v2/people/id=" + member, restli, key, 200},
		{"/v2/people/(id:" + id.String() + ")", restli, key, 200},
		{"/v2/people/id=" + id.String(), nil, adminText, 200},
		{"/v2/people/id=" + id.String(), nil, w.key(ledger.ProfileID{}, keys.ProfileRead), 200},
		{"/v2/people/id=OTHER", nil, key, 404},
		{"/v2/people/id=" + other.String(), nil, key, 404},
		{"/v2/people/id=NOBODY", nil, adminText, 404},
		{"/v2/people/id=", nil, key, 400},
		{"/v2/people/(id:)", restli, key, 400},
		{"/v2/people/(id:x", restli, key, 400},
		{"/v2/people/" + member, restli, key, 400},
		{"/v2/people/id=" + member + "/positions", nil, key, 405},
		{"/v2/people/id=" + member + "/positions/1", nil, key, 405},
		{"/v2/people/id=" + member + "/shoes", nil, key, 404},
		{"/v2/people/id=" + member + "/positions/1/2", nil, key, 404},
		{"/v2/me", nil, key, 200},
		{"/v2/me", nil, adminText, 400},
		{"/v2/me", nil, "", 401},
		{"/v2/me", nil, w.key(id, keys.ProfileWrite), 403},
		{"/v2/me?fields=a&fields=b", nil, key, 400},
	} {
		a := w.do(call{method: "GET", path: c.path, key: c.key, header: c.header})
		if a.status != c.status {
			t.Errorf("%s %v: %d, want %d: %s", c.path, c.header, a.status, c.status, a.body)
		} else if a.status != 200 {
			linkedInError(t, a)
		} else if got := a.json(t)["id"]; got != member {
			t.Errorf("%s: id %v", c.path, got)
		}
	}
	a := w.must(200, call{method: "GET", path: "/v2/me?fields=localizedFirstName,projects", key: key})
	got := a.json(t)
	if got["localizedFirstName"] != "Jane" || len(got["projects"].([]any)) != 1 || len(got) != 3 {
		t.Errorf("%s", a.body)
	}
	w.must(304, call{method: "GET", path: "/v2/me", key: key, header: map[string]string{"If-None-Match": a.header.Get("ETag")}})
}

// TestLinkedInRefusals: every error is in LinkedIn's envelope and writes nothing.
func TestLinkedInRefusals(t *testing.T) {
	w, id, key := linkedInWorld(t)
	head := w.com.Head()
	good := `{"patch":{"$set":{"industryId":"urn:li:industry:47"}}}`
	with := func(c call, change func(*call)) call { change(&c); return c }
	for what, c := range map[string]struct {
		call
		status int
		says   string
	}{
		"no key":           {w.linkedIn("", "", good), 401, "key"},
		"an unknown key":   {w.linkedIn("x", "", good), 401, "key"},
		"no scope":         {w.linkedIn(w.key(id, keys.ProfileRead), "", good), 403, "scope"},
		"not JSON":         {w.linkedIn(key, "", `{"patch":`), 400, ""},
		"a name twice":     {w.linkedIn(key, "", `{"patch":{"$set":{"industryId":"a","industryId":"b"}}}`), 400, "/patch/$set/industryId"},
		"not UTF-8":        {w.linkedIn(key, "", "{\"patch\":{\"$set\":{\"industryId\":\"\xff\"}}}"), 400, ""},
		"a lone surrogate": {w.linkedIn(key, "", `{"patch":{"$set":{"industryId":"\ud800"}}}`), 400, ""},
		"no patch":         {w.linkedIn(key, "", `{"industryId":"x"}`), 400, "patch"},
		"no content type":  {with(w.linkedIn(key, "", good), func(c *call) { c.typ = "-" }), 415, ""},
		"a long body":      {w.linkedIn(key, "", strings.Repeat(" ", maxBody+1)), 413, ""},
		"another method": {with(w.linkedIn(key, "", good), func(c *call) {
			c.header = map[string]string{"X-RestLi-Protocol-Version": "2.0.0", "X-RestLi-Method": "CREATE"}
		}), 400, "PARTIAL_UPDATE"},
		"PUT":              {with(w.linkedIn(key, "", good), func(c *call) { c.method = "PUT" }), 405, ""},
		"DELETE of all":    {with(w.linkedIn(key, "", ""), func(c *call) { c.method = "DELETE" }), 405, ""},
		"an unknown field": {w.linkedIn(key, "", `{"patch":{"$set":{"shoeSize":1,"headLine":2}}}`), 422, "/patch/$set/headLine"},
		"a deleted field":  {w.linkedIn(key, "", `{"patch":{"$set":{"specialties":"x"}}}`), 422, "/patch/$set/specialties"},
		"too long a name":  {w.linkedIn(key, "", `{"patch":{"$set":{"lastName":{"localized":{"en_US":"`+strings.Repeat("é", 101)+`"}}}}}`), 422, "/patch/$set/lastName"},
		"a fourth im":      {w.linkedIn(key, "", `{"patch":{"$set":{"ims":{"a":{"id":"a","provider":"QQ"},"b":{"id":"b","provider":"QQ"},"c":{"id":"c","provider":"QQ"},"d":{"id":"d","provider":"QQ"}}}}}`), 422, "/patch/$set/ims"},
		"an im's id":       {w.linkedIn(key, "", `{"patch":{"$set":{"ims":{"a":{"id":"b","provider":"QQ"}}}}}`), 422, "/patch/$set/ims/a/id"},
		"a vanity name":    {w.linkedIn(key, "", `{"patch":{"$set":{"vanityName":"bob smith"}}}`), 422, "/patch/$set/vanityName"},
		"an unknown asset": {w.linkedIn(key, "", `{"patch":{"profilePicture":{"$set":{"displayImage":"urn:li:digitalmediaAsset:C5"}}}}`), 422, "/patch/profilePicture/$set/displayImage"},
		"an unknown order": {w.linkedIn(key, "", `{"patch":{"$set":{"educationsOrder":[2601123,2663456]}}}`), 422, "/patch/$set/educationsOrder/1"},
		"no company":       {w.linkedIn(key, "/positions", `{"title":{"localized":{"en_US":"Cook"}}}`), 422, "/companyName"},
		"no own URN":       {w.linkedIn(key, "/publications", `{"name":{"localized":{"en_US":"Book"}},"authors":[]}`), 422, "/authors"},
		"a patched create": {w.linkedIn(key, "/skills", `{"patch":{"$set":{}}}`), 422, "/patch"},
		"no such entry":    {w.linkedIn(key, "/skills/12", `{"patch":{"$set":{}}}`), 404, ""},
		"a wrong entry":    {w.linkedIn(key, "/skills/abc", `{"patch":{"$set":{}}}`), 404, ""},
		"a stale version":  {with(w.linkedIn(key, "", good), func(c *call) { c.header = map[string]string{"X-RestLi-Protocol-Version": "2.0.0", "If-Match": `"0"`} }), 412, ""},
	} {
		a := w.do(c.call)
		if a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", what, a.status, c.status, a.body)
			continue
		}
		if m := linkedInError(t, a); !strings.Contains(m, c.says) || strings.Contains(m, "ééé") {
			t.Errorf("%s: %s", what, m)
		}
	}
	if w.com.Head() != head {
		t.Error("something was written")
	}
	many := `{"patch":{"$set":{"` + strings.Repeat("x", 500) + `":1`
	for i := range 30 {
		many += `,"f` + strings.Repeat("i", i) + `":1`
	}
	if m := linkedInError(t, w.must(422, w.linkedIn(key, "", many+`}}}`))); !strings.Contains(m, "And 11 more.") || strings.Contains(m, strings.Repeat("x", 201)) {
		t.Error(m)
	}
}

// TestLinkedInEntries: an entry is created, read, edited, moved and deleted by its number.
func TestLinkedInEntries(t *testing.T) {
	w, _, key := linkedInWorld(t)
	create := func(section, entity string) string {
		t.Helper()
		a := w.must(201, w.linkedIn(key, "/"+section, entity))
		ref := a.header.Get("X-Linkedin-Id")
		if ref == "" || ref != a.header.Get("X-Restli-Id") || a.body != `{"id":`+ref+`}` || !strings.HasSuffix(a.header.Get("Location"), "/"+section+"/"+ref) {
			t.Fatalf("%v %s", a.header, a.body)
		}
		return ref
	}
	name := func(s string) string { return `{"localized":{"en_US":"` + s + `"}}` }
	one := create("educations", `{"schoolName":`+name("MIT")+`,"startMonthYear":{"year":1999}}`)
	two := create("educations", `{"schoolName":`+name("ETH")+`}`)
	shown := func() (ids []string) {
		t.Helper()
		var v struct {
			Order      []json.Number `json:"educationsOrder"`
			Educations []struct{ ID json.Number }
		}
		a := w.must(200, call{method: "GET", path: "/v2/people/id=" + member + "?fields=educations,educationsOrder", key: key})
		if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Order) != len(v.Educations) {
			t.Fatalf("%v: %s", err, a.body)
		}
		for i, e := range v.Educations {
			if e.ID != v.Order[i] {
				t.Errorf("%s", a.body)
			}
			ids = append(ids, string(e.ID))
		}
		return ids
	}
	if got := shown(); !reflect.DeepEqual(got, []string{one, two}) {
		t.Errorf("%v, want %s and %s", got, one, two)
	}
	w.must(200, w.linkedIn(key, "", `{"patch":{"$set":{"educationsOrder":[`+two+`,`+one+`]}}}`))
	if got := shown(); !reflect.DeepEqual(got, []string{two, one}) {
		t.Errorf("%v", got)
	}
	w.must(200, w.linkedIn(key, "/educations/"+one, `{"patch":{"$set":{"degreeName":`+name("BSc")+`}}}`))
	w.must(200, w.linkedIn(key, "/educations/"+one, `{"patch":{"$delete":["startMonthYear"]}}`))
	items := w.data(key)["educations"].([]any)
	if value(items[1], "school") != "MIT" || value(items[1], "degree") != "BSc" || value(items[1], "startDate") != nil {
		t.Errorf("%v", items)
	}
	remove := call{method: "DELETE", path: "/v2/people/id=" + member + "/educations/" + one, key: key}
	if a := w.must(200, remove); a.body != `{}` {
		t.Errorf("%s", a.body)
	}
	linkedInError(t, w.must(404, remove))
	if got := shown(); !reflect.DeepEqual(got, []string{two}) {
		t.Errorf("%v", got)
	}

	// The member alone among the authors is accepted, and not kept.
	create("publications", `{"name":`+name("Book")+`,"authors":[{"memberId":"urn:li:person:`+member+`","name":`+name("J. Smith")+`}]}`)
	if got := w.data(key)["publications"].([]any)[0]; value(got, "linkedin") != nil {
		t.Errorf("%v", got)
	}
	// A current position has no end; it is closed, and opened again.
	job := create("positions", `{"title":`+name("Cook")+`,"companyName":`+name("Inn")+`,"startMonthYear":{"month":3,"year":2015}}`)
	current := func() any { return value(w.data(key)["workExperiences"].([]any)[0], "isCurrent") }
	was := current()
	w.must(200, w.linkedIn(key, "/positions/"+job, `{"patch":{"$set":{"endMonthYear":{"month":4,"year":2016}}}}`))
	ended := current()
	w.must(200, w.linkedIn(key, "/positions/"+job, `{"patch":{"$delete":["endMonthYear"]}}`))
	if was != true || ended != nil || current() != true {
		t.Errorf("%v, %v, %v", was, ended, current())
	}
}

// TestLinkedInOnce: an idempotency key gives the first answer again; a dry run and an edit
// of nothing write nothing.
func TestLinkedInOnce(t *testing.T) {
	w, _, key := linkedInWorld(t)
	c := w.linkedIn(key, "/skills", `{"name":{"localized":{"en_US":"Go"}}}`)
	c.header = map[string]string{"X-RestLi-Protocol-Version": "2.0.0", "Idempotency-Key": "k1"}
	first, again := w.must(201, c), w.must(201, c)
	if first.header.Get("X-Restli-Id") != again.header.Get("X-Restli-Id") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v, %v", first.header, again.header)
	}
	head := w.com.Head()
	if a := w.must(200, w.linkedIn(key, "/skills?dryRun=true", `{"name":{"localized":{"en_US":"C"}}}`)); a.body != `{"success":true,"dryRun":true}` {
		t.Errorf("%s", a.body)
	}
	w.must(200, w.linkedIn(key, "?dryRun=true", `{"patch":{"$set":{"vanityName":"jane"}}}`))
	w.must(200, w.linkedIn(key, "", `{"patch":{"$delete":["associations","specialties","legacyHonors"]}}`))
	w.must(200, w.linkedIn(key, "", `{"patch":{"$set":{"skillsOrder":[`+first.header.Get("X-Linkedin-Id")+`]}}}`))
	if w.com.Head() != head {
		t.Error("something was written")
	}
}

// TestLinkedInRace: edits are made anew when the profile changed since they were made.
func TestLinkedInRace(t *testing.T) {
	w, id, key := linkedInWorld(t)
	races := 1
	w.submit = func(ctx context.Context, req ledger.Request) (ledger.Reply, error) {
		if req.Meta.Via == "linkedin" && races > 0 {
			races--
			return ledger.Reply{}, ledger.ErrPrecondition
		}
		return w.com.Submit(ctx, req)
	}
	a := w.must(200, w.linkedIn(key, "", `{"patch":{"$set":{"vanityName":"jane"}}}`))
	if a.header.Get("X-Vitae-Seq") != "" || value(w.data(key), "linkedin.vanityName") != "jane" {
		t.Errorf("%v", a.header)
	}
	races = maxRaces
	linkedInError(t, w.must(409, w.linkedIn(key, "", `{"patch":{"$set":{"vanityName":"joan"}}}`)))
	w.submit = nil
	w.must(200, call{method: "DELETE", path: "/v1/profiles/" + id.String(), key: adminText})
	linkedInError(t, w.must(410, w.linkedIn(key, "", `{"patch":{"$set":{"vanityName":"joan"}}}`)))
}
