package postpress

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"vitae/sinks"
)

// TestListsAreReadInEveryForm: an entry has the echo of the item, by PostPress's names
// for writing, and by those of LinkedIn's lists.
func TestListsAreReadInEveryForm(t *testing.T) {
	p := full(t)
	add(t, p, "workExperiences", "one", `{"jobTitle":"Founder","company":"postpress","location":"Lyon","startDate":"2019-05-17","endDate":"2020-11","description":"Wrote\n it. "}`)
	add(t, p, "educations", "one", studied)
	for _, test := range []struct{ section, body string }{
		{"experience", `"experience":[{"id":"7","role":"Founder","company":"postpress","location":"Lyon","description":"Wrote it.","start_date":{"month":5,"year":2019},"end_date":{"month":"11","year":"2020"},"skills":["a"]}]`},
		{"experience", `"work_experience":[{"id":7,"position":"Founder","company":"postpress","company_id":"1","location":"Lyon","description":"Wrote\n it.","start":"5/1/2019","end":"11/1/2020","skills":[]}],"work_experience_total_count":1`},
		{"experience", `"work_experience":[{"id":"7","title":"Founder","company":{"name":"postpress"},"location":"Lyon","description":" Wrote it.","start":"2019-05","end":"2020-11-30"}]`},
		{"education", `"education":[{"id":"7","school":"ETH","degree":"MSc","field_of_study":"Physics","start":"9/1/2010","end":"7/1/2014"}],"education_total_count":1,"throttled_sections":["skills"]`},
		{"education", `"education":[{"id":"7","school":"ETH","degree":"MSc","field_of_study":"Physics","start_date":{"month":9,"year":2010},"end_date":{"month":7,"year":2014},"grade":"6","activities":null}]`},
	} {
		s, _ := sectionOf(test.section)
		list, how := s.parse([]byte(`{"object":"UserProfile","provider_id":"P",`+test.body+`}`), "P")
		want := made(t, test.section+"/one", p, sinks.Have{}).Echo
		if how != whole || len(list) != 1 || list[0].Ref != "7" || string(list[0].Echo) != string(want) {
			t.Errorf("%s: %d, %s, want %s", test.body, how, list, want)
		}
	}
	// Each of these is another entry.
	s, _ := sectionOf("experience")
	want := string(made(t, "experience/one", p, sinks.Have{}).Echo)
	const entry = `{"id":"7","role":"Founder","company":"postpress","location":"Lyon","description":"Wrote it.","start":"5/1/2019","end":"11/1/2020"}`
	for _, pair := range [][2]string{{"Founder", "Owner"}, {"postpress", "x"}, {"Lyon", ""}, {"Wrote it.", ""}, {"5/1/2019", "6/1/2019"}, {"5/1/2019", "2019"}, {`"11/1/2020"`, "null"}} {
		list, how := s.parse([]byte(`{"object":"UserProfile","experience":[`+strings.Replace(entry, pair[0], pair[1], 1)+`]}`), "P")
		if how != whole || string(list[0].Echo) == want {
			t.Errorf("%q: %d, %s", pair, how, list)
		}
	}
	// What no list shows makes no difference to an add, and all the difference to an edit.
	if a, b := made(t, "experience/link", p, sinks.Have{}).Echo, made(t, "experience/link", p, sinks.Have{Ref: "7"}).Echo; strings.Contains(string(a), more) || !strings.Contains(string(b), more) {
		t.Errorf("%s, %s", a, b)
	}
}

// TestAListAsksWhoItIsFirst: two reads with the account in the query, and nothing else.
func TestAListAsksWhoItIsFirst(t *testing.T) {
	w := &wire{answer: func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/me") {
			return reply(200, `{"object":"AccountOwnerProfile","provider":"LINKEDIN","provider_id":"ACo A?"}`)
		}
		return reply(200, `{}`)
	}}
	c := call("education", sinks.VerbCreate, nil)
	if _, out := client(t, w).List(context.Background(), c); out.Verdict != sinks.Unknown || len(w.sent) != 1 {
		t.Errorf("an id that cannot be one: %+v, %d requests", out, len(w.sent))
	}
	w.answer = func(r *http.Request) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/me") {
			return reply(200, `{"provider_id":"ACoA?"}`)
		}
		return reply(200, `{"object":"UserProfile","provider_id":"ACoA?","education":[]}`)
	}
	w.sent = nil
	if _, out := client(t, w).List(context.Background(), c); out.Verdict != sinks.Applied || len(w.sent) != 2 {
		t.Fatalf("%+v, %d requests", out, len(w.sent))
	}
	for i, want := range []string{"/postpress/api/v1/users/me?account_id=" + account, "/postpress/api/v1/users/ACoA%3F?account_id=" + account + "&linkedin_sections=education"} {
		r := w.sent[i]
		if r.Method != http.MethodGet || r.URL.RequestURI() != want || r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Api-Key") != "pp_live_canary" {
			t.Errorf("%s %s, want %s", r.Method, r.URL.RequestURI(), want)
		}
	}
	for body, want := range map[string]sinks.Verdict{`{"type":"errors/resource_not_found"}`: sinks.AccountError, `{"type":"errors/disconnected_account"}`: sinks.AccountError} {
		c.Ref = "77" // it is not the entry that is gone
		if list, out := client(t, always(404, body)).List(context.Background(), c); out.Verdict != want || list != nil {
			t.Errorf("%s: %+v", body, out)
		}
	}
	if _, out := client(t, w).List(context.Background(), call(Profile, sinks.VerbSet, nil)); out.Verdict != sinks.Refused {
		t.Errorf("a list of the root: %+v", out)
	}
}

// FuzzAnswers: no answer breaks a parser, and none is taken for more than it says.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{profileEdited, `{"object":"AccountOwnerProfile","provider_id":"P"}`, `{"object":"UserProfile","provider_id":"P","experience":[{"id":"7","start":"5/1/2019"}]}`,
		`{"object":"UserProfile","work_experience":[{"id":7,"start_date":{"month":1e9,"year":-1}}],"throttled_sections":["x"]}`, `{"type":"errors/limit_exceeded","status":422}`,
		`{"error":{"code":"key_missing"}}`, `<html>`, `{"error":"x","type":7}`, ``, `[[[`} {
		f.Add(422, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		status = 300 + (status%300+300)%300
		for _, c := range []sinks.Call{call(Profile, sinks.VerbSet, nil), {Entity: "experience/one", Verb: sinks.VerbUpdate, Ref: "7"}} {
			out := judge(sinks.Answer{Status: status, Body: body, Sent: sinks.SentYes}, c, testNow)
			if out.Verdict == sinks.Applied && wordOf(body) != alreadyPerformed || out.Verdict == sinks.Unchanged {
				t.Errorf("%d %q: %+v", status, body, out)
			}
		}
		edited(body)
		if id, ok := ownerOf(body); ok && !isRef(id) {
			t.Errorf("%q: %q", body, id)
		}
		for i := range sections {
			list, how := sections[i].parse(body, "P")
			seen := map[string]bool{}
			for _, l := range list {
				if !isRef(l.Ref) || seen[l.Ref] || l.Echo == nil {
					t.Errorf("%q: %+v", body, l)
				}
				seen[l.Ref] = true
			}
			if how == whole && list == nil {
				t.Errorf("%q: whole, and no list", body)
			}
		}
	})
}

// FuzzForm: what is put into a form comes out of it, whatever the texts are.
func FuzzForm(f *testing.F) {
	f.Add("headline", "a\r\n--BOUNDARY-ish\r\n")
	f.Add("experience[role]", "ü\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		if !isName(name) || strings.Contains(value, "--BOUNDARY") {
			return
		}
		want := []pair{{name: name, value: strings.ToValidUTF8(value, "?")}}
		got, err := decode(encode(want))
		if err != nil || len(got) != 1 || got[0] != want[0] {
			t.Fatalf("%+v: %+v, %v", want, got, err)
		}
		w := always(200, profileEdited)
		client(t, w).Call(context.Background(), call(Profile, sinks.VerbSet, encode(want)))
		if parts := partsOf(t, w.sent[0], w.bodies[0]); len(parts) != 3 || parts[2] != name+"="+want[0].value {
			t.Errorf("%q", parts)
		}
	})
}
