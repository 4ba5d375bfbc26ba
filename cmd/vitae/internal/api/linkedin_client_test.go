package api

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"reflect"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/sinks"
	"vitae/sinks/linkedin"
)

// TestLinkedInClient points the sink that writes to LinkedIn at this server: one profile is
// carried over into another one, and both are then the same to LinkedIn.
func TestLinkedInClient(t *testing.T) {
	w, to, _ := linkedInWorld(t)
	token := w.key(to, keys.ProfileRead|keys.ProfileWrite)
	from := w.person(`{"firstName":"Zoë","firstName@ja_JP":"ゾエ","lastName":"Ek","email":"zoe@example.com","headline":"Cook","summary":"Long","birthDate":"1980-02-29",
		"phones":[{"number":"1","type":"HOME"},{"number":"2","type":"WORK"}],"website":"https://zoe.example","websites":[{"url":"https://other.example","category":"BLOG"}],
		"linkedin":{"vanityName":"zoe1","ims":{"z":{"id":"z","provider":"ICQ"}},"imsOrder":["z"],"phoneticFirstName@ja_JP":"ゾエ","supportedLocales":[{"country":"US","language":"en"},{"country":"JP","language":"ja"}]},
		"workExperiences":[{"id":"w1","jobTitle":"Cook","company":"Inn","startDate":"2019-05-17","isCurrent":true},{"id":"w2","jobTitle":"Clerk","company":"Bank","startDate":"2001","endDate":"2002-03-04"}],
		"educations":[{"id":"e1","school":"MIT","degree":"BSc","field":"Law","grade":"A","startDate":"1999-09"}],"skills":[{"id":"s1","name":"Go"},{"id":"s2","name":"C"},{"id":"s3","name":"Lisp"}],
		"projects":[{"id":"p1","name":"Vitae","description":"Ledger","linkedin":{"members":[{"memberId":"urn:li:person:X","name":"Ann"}]}}],
		"certificates":[{"id":"c1","name":"CKA","issuer":"CNCF","credentialId":"12"}],"awards":[{"id":"a1","name":"Prize","date":"2020"}],"publications":[{"id":"b1","name":"Book","date":"2020-01-02"}],
		"languages":[{"id":"l1","name":"Swedish","proficiency":"NATIVE_OR_BILINGUAL"}],"courses":[{"id":"k1","name":"Logic","number":"101"}],
		"patents":[{"id":"t1","title":"Wheel","issuer":"se","pending":true,"number":"7","filingDate":"2001-02-03","inventors":["Bo"]}],
		"organizations":[{"id":"o1","name":"ACM","position":"Chair"}],"testScores":[{"id":"x1","name":"GRE","score":"9"}],"volunteering":[{"id":"v1","organisation":"Ark","role":"Noah","cause":"animalRights"}]}`)
	w.must(200, call{method: "PUT", path: "/v1/profiles/" + from.String() + "/connections/linkedin", key: adminText, body: `{"credential":"token","account":"` + member + `"}`})
	p, err := w.Profile(t.Context(), from, 0)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.srv.Handler())
	defer server.Close()
	provider, err := linkedin.New(server.URL, sinks.NewClient())
	if err != nil {
		t.Fatal(err)
	}
	const picture = "GIF89a and more"
	send := func(c sinks.Call) sinks.Outcome {
		t.Helper()
		c.Account, c.Credential = member, []byte(token)
		c.File = func(context.Context, string) (sinks.File, error) {
			return sinks.File{ReadCloser: io.NopCloser(bytes.NewReader([]byte(picture))), Size: int64(len(picture)), MediaType: "image/gif"}, nil
		}
		out := provider.Call(t.Context(), c)
		if out.Verdict != sinks.Applied {
			t.Fatalf("%s %s: %+v", c.Entity, c.Step, out)
		}
		return out
	}
	build := func(entity string, have sinks.Have) sinks.Payload {
		t.Helper()
		out, err := provider.Build(entity, p, have)
		if err != nil {
			t.Fatalf("%s: %v", entity, err)
		}
		return out
	}
	body := build(linkedin.Profile, sinks.Have{})
	send(sinks.Call{Entity: linkedin.Profile, Verb: sinks.VerbSet, Body: body.Body})
	read, out := provider.Read(t.Context(), sinks.Call{Entity: linkedin.Profile, Account: member, Credential: []byte(token), Fields: body.Fields})
	if out.Verdict != sinks.Applied || !bytes.Equal(read.Echo, body.Echo) {
		t.Errorf("%+v\ngot  %s\nwant %s", out, read.Echo, body.Echo)
	}
	sections := 0
	for _, e := range provider.Entities() {
		if e.Items != sinks.ClassC {
			continue
		}
		sections++
		ids, err := provider.Items(e.Name, p)
		if err != nil || len(ids) == 0 {
			t.Fatalf("%s: %v, %v", e.Name, ids, err)
		}
		refs, echoes := map[string]string{}, map[string][]byte{}
		for i := range ids { // the last one first, so that there is an order to be made
			id := ids[len(ids)-1-i]
			item := build(sinks.ItemEntity(e.Name, id), sinks.Have{})
			ref := send(sinks.Call{Entity: sinks.ItemEntity(e.Name, id), Verb: sinks.VerbCreate, Body: item.Body}).Ref
			refs[id], echoes[ref] = ref, item.Echo
		}
		listed, out := provider.List(t.Context(), sinks.Call{Entity: e.Name, Account: member, Credential: []byte(token)})
		known := 0
		for _, l := range listed {
			if want, ours := echoes[l.Ref]; ours {
				known++
				if !bytes.Equal(l.Echo, want) {
					t.Errorf("%s:\ngot  %s\nwant %s", e.Name, l.Echo, want)
				}
			}
		}
		if out.Verdict != sinks.Applied || known != len(ids) {
			t.Errorf("%s: %+v, %d entries", e.Name, out, known)
		}
		if order := build(e.Name, sinks.Have{Refs: refs}); order.Body != nil {
			send(sinks.Call{Entity: e.Name, Verb: sinks.VerbSet, Body: order.Body})
			read, out := provider.Read(t.Context(), sinks.Call{Entity: e.Name, Account: member, Credential: []byte(token)})
			if out.Verdict != sinks.Applied || !bytes.Equal(read.Echo, order.Echo) {
				t.Errorf("%s: %+v\ngot  %s\nwant %s", e.Name, out, read.Echo, order.Echo)
			}
		}
		gone := sinks.ItemEntity(e.Name, ids[0])
		send(sinks.Call{Entity: gone, Verb: sinks.VerbUpdate, Ref: refs[ids[0]], Body: build(gone, sinks.Have{Ref: refs[ids[0]]}).Body})
		remove := sinks.Call{Entity: gone, Verb: sinks.VerbDelete, Ref: refs[ids[0]], Account: member, Credential: []byte(token)}
		for _, want := range []sinks.Verdict{sinks.Applied, sinks.TargetGone} { // what is gone already is gone
			if out := provider.Call(t.Context(), remove); out.Verdict != want {
				t.Errorf("%s: %+v, want %s", gone, out, want)
			}
		}
	}
	if sections != 13 {
		t.Errorf("%d sections", sections)
	}
	if got, want := w.wanted(to, linkedin.Profile), w.wanted(from, linkedin.Profile); !reflect.DeepEqual(got, want) {
		t.Errorf("\ngot  %v\nwant %v", got, want)
	}
	for _, lane := range []string{linkedin.ProfilePicture, linkedin.BackgroundPicture} {
		results := map[string][]byte{}
		for _, step := range []string{"register.original", "upload.original", "register.display", "upload.display", "patch"} {
			results[step] = send(sinks.Call{Entity: lane, Verb: sinks.VerbSet, Step: step, Results: results, Body: []byte(`{"file":"sha256:00"}`)}).Result
		}
	}
	got := w.data(token)
	if got["picture"] == nil || got["picture"] != got["coverPicture"] {
		t.Errorf("%v, %v", got["picture"], got["coverPicture"])
	}
	send(sinks.Call{Entity: linkedin.ProfilePicture, Verb: sinks.VerbSet, Step: "delete", Clears: []string{linkedin.ProfilePicture}})
	if got := w.data(token); got["picture"] != nil {
		t.Errorf("%v", got["picture"])
	}
}
