package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"vitae/cmd/vitae/internal/keys"
	"vitae/ledger"
	"vitae/sinks"
	"vitae/sinks/linkedin"
)

// wanted is what LinkedIn is sent of a lane of the profile.
func (w *world) wanted(id ledger.ProfileID, entity string) map[string]any {
	w.t.Helper()
	p, err := w.Profile(w.t.Context(), id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := new(linkedin.Provider).Build(entity, p, sinks.Have{})
	if err != nil {
		w.t.Fatalf("%s: %v", entity, err)
	}
	var v map[string]any
	if err := json.Unmarshal(out.Body, &v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// TestLinkedInThereAndBack: what a client sends is what LinkedIn is sent, whatever was
// there before. The preferred locale is that of plain fields, dates have as much as
// LinkedIn keeps, and website and portfolio come first: these are the normal forms.
func TestLinkedInThereAndBack(t *testing.T) {
	w, id, key := linkedInWorld(t)
	d := rand.New(rand.NewPCG(1, 2))
	texts := func(rich bool) map[string]any {
		all := map[string]any{}
		for _, locale := range []string{"en_US", "fr_FR", "de", "ja_JP"}[:1+d.IntN(4)] {
			text := any(fmt.Sprintf("text %d – é", d.IntN(5)))
			if rich {
				text = map[string]any{"rawText": text}
			}
			all[locale] = text
		}
		return map[string]any{"localized": all, "preferredLocale": map[string]any{"country": "US", "language": "en"}}
	}
	date := func(day bool) map[string]any {
		v := map[string]any{"year": float64(1970 + d.IntN(50)), "month": float64(1 + d.IntN(12))}
		if day {
			v["day"] = float64(1 + d.IntN(28))
		}
		return v
	}
	link := func(category string) map[string]any {
		v := map[string]any{"category": category, "url": map[string]any{"localized": map[string]any{"en_US": fmt.Sprintf("https://%d.example", d.Int())}, "preferredLocale": texts(false)["preferredLocale"]}}
		if category == "OTHER" {
			v["label"] = texts(false)
		}
		return v
	}
	me := map[string]any{"memberId": "urn:li:person:" + member, "name": texts(false)}
	somebody := map[string]any{"memberId": "urn:li:person:X", "name": texts(false)}
	main := map[string]func() any{
		"firstName":   func() any { return texts(false) },
		"maidenName":  func() any { return texts(false) },
		"headline":    func() any { return texts(false) },
		"address":     func() any { return texts(false) },
		"summary":     func() any { return texts(true) },
		"birthDate":   func() any { return date(true) },
		"vanityName":  func() any { return fmt.Sprintf("jane%d", d.IntN(9)) },
		"geoLocation": func() any { return map[string]any{"geo": fmt.Sprintf("urn:li:geo:%d", d.IntN(9))} },
		"location":    func() any { return map[string]any{"countryCode": "us", "postalCode": fmt.Sprint(d.IntN(9))} },
		"phoneNumbers": func() any {
			return []any{map[string]any{"number": fmt.Sprint(d.IntN(9)), "type": "HOME"}, map[string]any{"number": "77", "type": "WORK"}}
		},
		"websites":  func() any { return []any{link("PERSONAL"), link("PORTFOLIO"), link("OTHER"), link("PERSONAL")} },
		"ims":       func() any { return map[string]any{"a": map[string]any{"id": "a", "provider": "QQ"}} },
		"interests": func() any { return texts(false) },
	}
	sections := map[string]func() map[string]any{
		"positions": func() map[string]any {
			return map[string]any{"title": texts(false), "companyName": texts(false), "company": "urn:li:organization:1", "startMonthYear": date(false), "endMonthYear": date(false),
				"geoPositionLocation": map[string]any{"displayLocationName": texts(false)}, "description": texts(true)}
		},
		"educations": func() map[string]any {
			return map[string]any{"schoolName": texts(false), "fieldsOfStudy": []any{map[string]any{"fieldOfStudyName": texts(false)}}, "grade": map[string]any{"grade": texts(false)},
				"startMonthYear": map[string]any{"year": 1999.0}, "notes": texts(true)}
		},
		"certifications": func() map[string]any {
			return map[string]any{"name": texts(false), "authority": texts(false), "licenseNumber": texts(false), "startMonthYear": date(false), "url": "https://x.example"}
		},
		"publications": func() map[string]any {
			return map[string]any{"name": texts(false), "date": date(true), "authors": []any{somebody, me}, "description": texts(true)}
		},
		"projects": func() map[string]any {
			return map[string]any{"title": texts(false), "description": texts(true), "members": []any{me, somebody}, "singleDate": true}
		},
		"patents": func() map[string]any {
			return map[string]any{"title": texts(false), "issuer": map[string]any{"localized": map[string]any{"en_US": "us"}, "preferredLocale": texts(false)["preferredLocale"]},
				"pending": true, "filingDate": date(true), "inventors": []any{me, somebody}}
		},
		"languages": func() map[string]any {
			return map[string]any{"name": texts(false), "proficiency": "FULL_PROFESSIONAL"}
		},
		"volunteeringExperiences": func() map[string]any {
			return map[string]any{"companyName": texts(false), "role": texts(false), "cause": "children", "startMonthYear": date(false)}
		},
	}
	post := func(status int, path string, body any) answer {
		t.Helper()
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return w.must(status, w.linkedIn(key, path, string(b)))
	}
	set := func(v map[string]any) any { return map[string]any{"patch": map[string]any{"$set": v}} }
	for range 12 {
		sent := map[string]any{}
		for name, some := range main {
			if d.IntN(2) == 0 {
				sent[name] = some()
			}
		}
		if len(sent) == 0 {
			continue
		}
		post(200, "", set(sent))
		got := w.wanted(id, linkedin.Profile)
		for name, want := range sent {
			if !reflect.DeepEqual(got[name], want) {
				t.Errorf("%s:\ngot  %v\nwant %v", name, got[name], want)
			}
		}
	}
	for name, some := range sections {
		first := some()
		ref := post(201, "/"+name, first).header.Get("X-Restli-Id")
		item := ""
		p, err := w.Profile(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := new(linkedin.Provider).Items(name, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range ids {
			if fmt.Sprint(linkedin.ItemID(name, one)) == ref {
				item = one
			}
		}
		for range 4 {
			if got := w.wanted(id, sinks.ItemEntity(name, item)); !reflect.DeepEqual(got, first) {
				t.Errorf("%s:\ngot  %v\nwant %v", name, got, first)
			}
			for member, v := range some() {
				if d.IntN(2) == 0 {
					first[member] = v
				}
			}
			post(200, "/"+name+"/"+ref, set(first))
		}
	}
}

// TestLinkedInPicture registers, uploads and sets a picture as the documentation does, for
// both pictures and with both methods.
func TestLinkedInPicture(t *testing.T) {
	w, id, key := linkedInWorld(t)
	stranger := w.key(w.person(`{"firstName":"Ann","lastName":"Lee","email":"ann@example.com"}`), keys.ProfileRead|keys.ProfileWrite)
	register := func(recipe string) (asset, to string) {
		t.Helper()
		a := w.must(200, call{method: "POST", path: "http://vitae.example:8080/v2/assets?action=registerUpload", key: key,
			body: `{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:` + recipe + `"],"owner":"urn:li:person:` + member + `","serviceRelationships":[]}}`})
		v := a.json(t)["value"].(map[string]any)
		asset, _ = v["asset"].(string)
		how := v["uploadMechanism"].(map[string]any)["com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest"].(map[string]any)
		to, _ = how["uploadUrl"].(string)
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "http" || u.Host != "vitae.example:8080" || len(u.Query().Get("m")) < 43 || len(how["headers"].(map[string]any)) != 0 {
			t.Errorf("%s: %v", to, err)
		}
		if !strings.HasPrefix(asset, "urn:li:digitalmediaAsset:") || v["mediaArtifact"] == "" || strings.Contains(w.logged.String(), u.Query().Get("m")) {
			t.Errorf("%s", a.body)
		}
		return asset, to
	}
	upload := func(status int, method, to, key, body, typ string) answer {
		t.Helper()
		return w.must(status, call{method: method, path: to, key: key, body: body, typ: typ})
	}
	const png = "\x89PNG\r\n\x1a\n the picture"
	for _, c := range []struct{ field, native, recipe, method, typ string }{
		{"profilePicture", "picture", "photo", "PUT", "-"},
		{"backgroundPicture", "coverPicture", "background", "POST", "application/x-www-form-urlencoded"},
	} {
		original, to1 := register("profile-original" + c.recipe + "-image")
		display, to2 := register("profile-display" + c.recipe + "-image")
		patch := `{"patch":{"` + c.field + `":{"$set":{"originalImage":"` + original + `","displayImage":"` + display + `"}}}}`
		linkedInError(t, w.must(422, w.linkedIn(key, "", patch))) // nothing was uploaded yet
		upload(201, c.method, to1, key, png+" in full", c.typ)
		upload(201, c.method, to2, key, "something else", c.typ)
		upload(201, c.method, to2, key, png+c.field, c.typ) // again: it is replaced
		w.must(200, w.linkedIn(key, "", patch))
		hash := ledger.HashOf([]byte(png + c.field))
		if got := w.data(key)[c.native]; got != "sha256:"+hash.String() {
			t.Errorf("%s is %v", c.native, got)
		}
		f, r, err := w.vault.OpenFile(t.Context(), id, hash)
		if err != nil || f.MediaType != "image/png" {
			t.Fatalf("%+v, %v", f, err)
		}
		if b, err := io.ReadAll(r); err != nil || string(b) != png+c.field || r.Close() != nil {
			t.Errorf("%q, %v", b, err)
		}
		// Only the profile's own keys can upload, and its assets are nobody else's.
		linkedInError(t, upload(404, c.method, to2, stranger, png, c.typ))
		linkedInError(t, upload(401, c.method, to2, "", png, c.typ))
		a := w.do(call{method: "POST", path: "/v2/people/id=" + member, key: stranger, body: patch})
		if a.status != 404 {
			t.Errorf("%d %s", a.status, a.body)
		}
		// What is read can be written back, and deleted.
		shown := value(w.must(200, call{method: "GET", path: "/v2/me", key: key}).json(t), c.field+".displayImage")
		w.must(200, w.linkedIn(key, "", fmt.Sprintf(`{"patch":{"%s":{"$set":{"displayImage":%q}}}}`, c.field, shown)))
		w.must(200, w.linkedIn(key, "", `{"patch":{"$delete":["`+c.field+`"]}}`))
		if got := w.data(key)[c.native]; got != nil {
			t.Errorf("%s is %v", c.native, got)
		}
	}

	_, to := register("profile-displayphoto-image")
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for e, err := range w.srv.Uploads.Watch(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Key == "" {
			break
		}
		kept++
		for _, secret := range []string{u.Query().Get("m"), id.String(), "sha256:", "uploaded"} {
			if strings.Contains(e.Key+string(e.Value), secret) {
				t.Errorf("%s is kept in clear", secret)
			}
		}
	}
	if kept != 9 { // five uploads and what four of them became
		t.Errorf("%d entries", kept)
	}
	linkedInError(t, upload(400, "PUT", to, key, "", "-"))
	linkedInError(t, upload(413, "PUT", to, key, strings.Repeat("x", maxUpload+1), "-"))
	upload(201, "PUT", to, key, strings.Repeat("x", maxUpload), "image/jpeg")
	linkedInError(t, upload(404, "PUT", to[:len(to)-20], key, png, "-"))
	linkedInError(t, upload(404, "PUT", strings.Replace(to, "/0?", "/1?", 1), key, png, "-"))
	linkedInError(t, upload(404, "PUT", "/mediaUpload/x/y/0", key, png, "-"))
	chunked := call{method: "PUT", path: to, key: key}.request()
	chunked.Body, chunked.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(png), bytes.NewReader(make([]byte, maxUpload)))), -1
	rec := httptest.NewRecorder()
	if w.srv.Handler().ServeHTTP(rec, chunked); rec.Code != 413 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}

	good := `{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:profile-displayphoto-image"],"owner":"urn:li:person:` + member + `","serviceRelationships":[]}}`
	for _, c := range []struct {
		query, body string
		status      int
	}{
		{"", good, 400},
		{"?action=complete", good, 400},
		{"?action=registerUpload", `{}`, 400},
		{"?action=registerUpload", `{"registerUploadRequest":{"recipes":["x"],"owner":"ABC","more":1}}`, 422},
		{"?action=registerUpload", strings.Replace(good, "person:"+member, "person:NOBODY", 1), 404},
		{"?action=registerUpload", strings.Replace(good, "[]", "[1]", 1), 422},
	} {
		linkedInError(t, w.must(c.status, call{method: "POST", path: "/v2/assets" + c.query, key: key, body: c.body}))
	}
	w.srv.Uploads = nil
	linkedInError(t, w.must(503, call{method: "POST", path: "/v2/assets?action=registerUpload", key: key, body: good}))
	linkedInError(t, upload(503, "PUT", to, key, png, "-"))
}
