package linkedin

import (
	"context"
	"slices"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/sinks"
)

func TestReadProfile(t *testing.T) {
	p := state()
	set(t, p, "firstName", `"Jane"`)
	set(t, p, "summary", `"S"`)
	set(t, p, "summary@fr_FR", `"R"`)
	set(t, p, "phone", `"1"`)
	payload := make1(t, Profile, p, sinks.Have{})
	c := call(Profile, sinks.VerbSet)
	c.Fields = append(slices.Clone(payload.Fields), "headline")
	w := always(200, `{"id":"ABCDEF","localizedFirstName":"Jane","headline":null,"firstName":{"preferredLocale":{"language":"en","country":"US"},"localized":{"en_US":"Jane"}},
		"vanityName":"x","phoneNumbers":[{"type":"WORK","number":"1"}],
		"summary":{"preferredLocale":{"language":"en","country":"US"},"localized":{"fr_FR":{"rawText":"R"},"en_US":{"rawText":"S","attributes":[]}}}}`)
	got, out := client(t, w).Read(context.Background(), c)
	if out.Verdict != sinks.Applied || string(got.Echo) != string(payload.Echo) {
		t.Errorf("%+v\ngot  %s\nwant %s", out, got.Echo, payload.Echo)
	}
	r, body := w.only(t)
	if r.Method != "GET" || r.URL.Path != "/linkedin/v2/people/(id:ABCDEF)" || r.URL.RawQuery != "fields=firstName,summary,phoneNumbers,headline" || body != "" ||
		r.Header.Get("X-RestLi-Method") != "GET" || r.Header.Get("Content-Type") != "" || r.Header.Get("X-Vitae-Attempt") == "" {
		t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	got, _ = client(t, always(200, `{"firstName":{"localized":{"en_US":"Jane"}}}`)).Read(context.Background(), c)
	if string(got.Echo) == string(payload.Echo) {
		t.Error("a summary that is lost is not seen")
	}
}

func TestReadOrder(t *testing.T) {
	c := call("skills", sinks.VerbSet)
	for answer, want := range map[string]string{
		`{"skillsOrder":[3,1]}`:     `[3,1]`,
		`{"skillsOrder":["3","1"]}`: `[3,1]`,
		`{"skillsOrder":[3,null]}`:  ``,
		`{}`:                        `[]`,
	} {
		got, out := client(t, always(200, answer)).Read(context.Background(), c)
		if out.Verdict != sinks.Applied || string(got.Echo) != want {
			t.Errorf("%s: %s %+v", answer, got.Echo, out)
		}
	}
}

func TestReadsThatTellNothing(t *testing.T) {
	w := always(200, `{}`)
	if _, out := client(t, w).Read(context.Background(), call(ProfilePicture, sinks.VerbSet)); out.Verdict != sinks.Unknown || len(w.sent) > 0 {
		t.Errorf("a picture: %+v", out)
	}
	for _, c := range []struct {
		status int
		body   string
		want   sinks.Verdict
	}{
		{200, ``, sinks.Unknown}, {200, `[]`, sinks.Unknown}, {200, `<html>`, sinks.Unknown}, {200, `{"id":"somebody"}`, sinks.Unknown},
		{401, ``, sinks.AccountError}, {403, `{"serviceErrorCode":100}`, sinks.CapabilityOff}, {404, ``, sinks.AccountError},
		{429, ``, sinks.Throttled}, {500, ``, sinks.Unknown},
	} {
		if _, out := client(t, always(c.status, c.body)).Read(context.Background(), call(Profile, sinks.VerbSet)); out.Verdict != c.want {
			t.Errorf("read %d %s: %+v", c.status, c.body, out)
		}
		list := call("skills/a", sinks.VerbUpdate)
		list.Ref = "17" // the lane's: the list is still of the person
		if items, out := client(t, always(c.status, c.body)).List(context.Background(), list); out.Verdict != c.want || items != nil {
			t.Errorf("list %d %s: %+v", c.status, c.body, out)
		}
	}
}

func TestList(t *testing.T) {
	p := state()
	add(t, p, "skills", "a", `{"name":"Go"}`)
	echo := string(make1(t, "skills/a", p, sinks.Have{}).Echo)
	const golang, sql = `"name":{"localized":{"en_US":"Go"},"preferredLocale":{"country":"US","language":"en"}}`, `"name":{"localized":{"en_US":"SQL"}}`
	for answer, refs := range map[string]string{
		`{"id":"ABCDEF","skills":[{"id":11,` + golang + `},{"id":"12",` + sql + `}]}`: "11 12",
		`{"id":"ABCDEF","skills":{"11":{"id":11,` + golang + `},"12":{` + sql + `}}}`: "11 12",
		`{"id":"ABCDEF","skills":{"11":{"$URN":"urn:li:skill:1",` + golang + `}}}`:    "11",
		`{"id":"ABCDEF","skills":[]}`:                 "",
		`{"id":"ABCDEF","skills":{}}`:                 "",
		`{"id":"ABCDEF","skills":null}`:               "",
		`{"id":"ABCDEF"}`:                             "",
		`{}`:                                          "unknown",
		`{"skills":[]}`:                               "unknown", // whose?
		`{"id":null,"skills":[]}`:                     "unknown",
		`{"id":"ABCDEF","skills":[{` + golang + `}]}`: "unknown",
		`{"id":"ABCDEF","skills":[{"id":0,` + golang + `}]}`:       "unknown",
		`{"id":"ABCDEF","skills":[{"id":11},{"id":11}]}`:           "unknown",
		`{"id":"ABCDEF","skills":[11]}`:                            "unknown",
		`{"id":"ABCDEF","skills":{"x":{` + golang + `}}}`:          "unknown",
		`{"id":"ABCDEF","skills":{"11":{"id":12,` + golang + `}}}`: "unknown",
		`{"id":"ABCDEF","skills":"none"}`:                          "unknown",
		`{"id":"ABCDEF","skills":{"elements":[],"paging":{}}}`:     "unknown",
	} {
		w := always(200, answer)
		items, out := client(t, w).List(context.Background(), call("skills", sinks.VerbSet))
		if r, _ := w.only(t); r.URL.RawQuery != "fields=id,skills" {
			t.Error(r.URL)
		}
		if refs == "unknown" {
			if out.Verdict != sinks.Unknown || items != nil {
				t.Errorf("%s: %+v", answer, out)
			}
			continue
		}
		var got []string
		for _, it := range items {
			got = append(got, it.Ref)
		}
		if out.Verdict != sinks.Applied || strings.Join(got, " ") != refs {
			t.Errorf("%s: %v %+v", answer, got, out)
		}
		if len(items) > 0 && string(items[0].Echo) != echo {
			t.Errorf("%s:\ngot  %s\nwant %s", answer, items[0].Echo, echo)
		}
		if len(items) > 1 && string(items[1].Echo) == echo {
			t.Errorf("two items look alike: %s", echo)
		}
	}
	if _, out := client(t, always(200, "{}")).List(context.Background(), call("hobbies", sinks.VerbSet)); out.Verdict != sinks.Refused {
		t.Errorf("%+v", out)
	}
}

// FuzzListed: whatever an answer holds, the items have ids of their own and echoes that
// are stable.
func FuzzListed(f *testing.F) {
	f.Add([]byte(`{"positions":[{"id":1,"title":{"localized":{"en_US":"x"}},"startMonthYear":{"day":1,"month":2,"year":3}}]}`), 7)
	f.Add([]byte(`{"educations":{"5":{"grade":{"grade":{"localized":{"en_US":"A"}}},"fieldsOfStudy":[{}],"notes":{"localized":{"en_US":{"rawText":"n"}}}}}}`), 2)
	f.Add([]byte(`{"patents":[{"id":"9","inventors":[{"memberId":1,"name":null}],"pending":false,"issueDate":{}}]}`), 6)
	f.Add([]byte(`<html>`), 0)
	f.Add([]byte(`0`), 0)
	f.Fuzz(func(t *testing.T, answer []byte, which int) {
		s := &sections[uint(which)%uint(len(sections))]
		n, err := ledger.ParseJSON(answer)
		if err != nil {
			return
		}
		items, ok := listed(s, n)
		if !ok && items != nil {
			t.Fatal("items of an answer that is none")
		}
		seen := map[string]bool{}
		for _, it := range items {
			if !isRef(it.Ref) || seen[it.Ref] {
				t.Fatalf("ref %q", it.Ref)
			}
			seen[it.Ref] = true
			if e, err := ledger.ParseJSON(it.Echo); err != nil || e.Kind != ledger.NodeObject {
				t.Fatalf("%s: %v", it.Echo, err)
			}
		}
		echoProfile(n, []string{"firstName", "ims", "websites", "phoneNumbers", "location"})
	})
}

// FuzzAnswers: no answer's body breaks the reading of it.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"message":"m","serviceErrorCode":65601,"status":401}`), 401)
	f.Add([]byte(registration("1", "https://api.linkedin.com/1")), 200)
	f.Add([]byte(`{"access_token":"a","refresh_token":"r"}`), 200)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		a := sinks.Answer{Status: 100 + int(uint(status)%500), Body: body, Sent: sinks.SentYes}
		if out := judge(rules, a, sinks.Call{}); out.Verdict != sinks.Applied && out.Fault.Message == "" {
			t.Fatalf("%d says nothing", a.Status)
		}
		if got, ok := registered(body); ok && (got.asset == "" || got.url == "") {
			t.Fatal("a registration without asset or URL")
		}
		if fresh, ok := sinks.RenewToken(object(), body); ok {
			if _, usable := sinks.TokenOf(fresh); !usable {
				t.Fatalf("%s", fresh)
			}
		}
	})
}
