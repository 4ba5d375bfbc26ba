package linkedin

import (
	"context"
	"testing"

	"vitae/sinks"
)

// TestSamples makes the documented sample bodies out of a state.
func TestSamples(t *testing.T) {
	const us = `"preferredLocale":{"country":"US","language":"en"}`
	for name, c := range map[string]struct {
		set  [][2]string
		add  [][3]string
		want string
	}{
		"address": {set: [][2]string{{"address", `"2029 Stierlin Ct, Mountain View, CA 94043"`}},
			want: `{"address":{"localized":{"en_US":"2029 Stierlin Ct, Mountain View, CA 94043"},` + us + `}}`},
		"summary": {set: [][2]string{{"summary", `"Awesome summary of me."`}},
			want: `{"summary":{"localized":{"en_US":{"rawText":"Awesome summary of me."}},` + us + `}}`},
		"birthDate": {set: [][2]string{{"birthDate", `"1974-01-01"`}}, want: `{"birthDate":{"day":1,"month":1,"year":1974}}`},
		"ims": {set: [][2]string{{ims, `{"bobsmith-linkedin":{"id":"bobsmith-linkedin","provider":"GTalk"}}`}},
			want: `{"ims":{"bobsmith-linkedin":{"id":"bobsmith-linkedin","provider":"GTalk"}}}`},
		"industryId":  {set: [][2]string{{"linkedin.industryId", `"urn:li:industry:47"`}}, want: `{"industryId":"urn:li:industry:47"}`},
		"geoLocation": {set: [][2]string{{"linkedin.geoLocation.geo", `"urn:li:geo:123456789"`}}, want: `{"geoLocation":{"geo":"urn:li:geo:123456789"}}`},
		"location": {set: [][2]string{{"linkedin.location.countryCode", `"us"`}, {"linkedin.location.postalCode", `"94101"`},
			{"linkedin.location.standardizedLocationUrn", `"urn:li:standardizedLocationKey:(us,94101)"`}},
			want: `{"location":{"countryCode":"us","postalCode":"94101","standardizedLocationUrn":"urn:li:standardizedLocationKey:(us,94101)"}}`},
		"memberRichContents": {set: [][2]string{{"linkedin.memberRichContents",
			`["urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981719813)","urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981706752)"]`}},
			want: `{"memberRichContents":["urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981719813)","urn:li:memberRichContent:(urn:li:person:yrZCpj2ZYQ,1586981706752)"]}`},
		"phoneNumbers": {set: [][2]string{{"phone", `"123-444-5555"`}, {"phone.type", `"WORK"`}}, add: [][3]string{{"phones", "a", `{"number":"(222) 333-4444","type":"HOME"}`}},
			want: `{"phoneNumbers":[{"number":"123-444-5555","type":"WORK"},{"number":"(222) 333-4444","type":"HOME"}]}`},
		"selectedContactInterests": {set: [][2]string{{"linkedin.selectedContactInterests", `[{"predefinedInterest":"GRABBING_COFFEE"},{"predefinedInterest":"INVESTING"}]`}},
			want: `{"selectedContactInterests":[{"predefinedInterest":"GRABBING_COFFEE"},{"predefinedInterest":"INVESTING"}]}`},
		"supportedLocales": {set: [][2]string{{supportedLocales, `[{"country":"US","language":"en"}]`}}, want: `{"supportedLocales":[{"country":"US","language":"en"}]}`},
		"vanityName":       {set: [][2]string{{vanityName, `"bobsmith"`}}, want: `{"vanityName":"bobsmith"}`},
		"volunteeringInterests": {set: [][2]string{{"linkedin.volunteeringInterests.supportedPredefinedCauses", `["humanitarianRelief","politics","socialServices"]`}},
			want: `{"volunteeringInterests":{"supportedPredefinedCauses":["humanitarianRelief","politics","socialServices"]}}`},
		"websites": {add: [][3]string{{"websites", "a", `{"category":"OTHER","label":"MY OTHER WEBSITE","url":"http://www.linkedin-other.com"}`},
			{"websites", "b", `{"category":"PERSONAL","url":"http://www.linkedin-personal.com"}`}},
			want: `{"websites":[{"category":"OTHER","label":{"localized":{"en_US":"MY OTHER WEBSITE"},` + us + `},"url":{"localized":{"en_US":"http://www.linkedin-other.com"},` + us + `}},
				{"category":"PERSONAL","url":{"localized":{"en_US":"http://www.linkedin-personal.com"},` + us + `}}]}`},
		"websites of one address": {set: [][2]string{{"website", `"http://a.example"`}}, add: [][3]string{
			{"websites", "a", `{"category":"OTHER","label":"Shop","url":"http://b.example"}`},
			{"websites", "b", `{"category":"OTHER","label":"Laden","url":"http://b.example"}`},
			{"websites", "c", `{"category":"OTHER","label@fr_FR":"Boutique","url":"http://b.example"}`},
			{"websites", "d", `{"category":"OTHER","label":"Shop","label@fr_FR":"Boutique","url":"http://b.example"}`}, // the first, and more of it
			{"websites", "e", `{"category":"PERSONAL","label":"mine","url":"http://a.example"}`}},
			want: `{"websites":[{"category":"PERSONAL","url":{"localized":{"en_US":"http://a.example"},` + us + `}},
				{"category":"OTHER","label":{"localized":{"en_US":"Shop","fr_FR":"Boutique"},` + us + `},"url":{"localized":{"en_US":"http://b.example"},` + us + `}},
				{"category":"OTHER","label":{"localized":{"en_US":"Laden"},` + us + `},"url":{"localized":{"en_US":"http://b.example"},` + us + `}},
				{"category":"OTHER","label":{"localized":{"fr_FR":"Boutique"},"preferredLocale":{"country":"FR","language":"fr"}},"url":{"localized":{"en_US":"http://b.example"},` + us + `}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := state()
			for _, s := range c.set {
				set(t, p, s[0], s[1])
			}
			for _, a := range c.add {
				add(t, p, a[0], a[1], a[2])
			}
			patch, err := mainPatch(sinks.Call{Entity: Profile, Body: make1(t, Profile, p, sinks.Have{}).Body})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "the patch", patch, `{"patch":{"$set":`+c.want+`}}`)
		})
	}
	t.Run("educationsOrder", func(t *testing.T) {
		p := state()
		add(t, p, "educations", "a", `{"school":"A"}`)
		add(t, p, "educations", "b", `{"school":"B"}`)
		body := make1(t, "educations", p, sinks.Have{Refs: map[string]string{"a": "2601123", "b": "2663456"}}).Body
		patch, err := mainPatch(sinks.Call{Entity: "educations", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the patch", patch, `{"patch":{"$set":{"educationsOrder":[2601123,2663456]}}}`)
	})
	t.Run("delete", func(t *testing.T) {
		patch, err := mainPatch(sinks.Call{Entity: Profile, Step: stepDelete, Clears: []string{"field1", "field2"}})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the patch", patch, `{"patch":{"$delete":["field1","field2"]}}`)
	})
	for recipe, c := range map[string][2]string{
		"profile-originalbackground-image": {BackgroundPicture, stepRegisterOriginal},
		"profile-displaybackground-image":  {BackgroundPicture, stepRegisterDisplay},
		"profile-originalphoto-image":      {ProfilePicture, stepRegisterOriginal},
		"profile-displayphoto-image":       {ProfilePicture, stepRegisterDisplay},
	} {
		t.Run(recipe, func(t *testing.T) {
			w := always(200, registration("C56", testBase+"/mediaUpload/1"))
			a := call(c[0], sinks.VerbSet)
			a.Step = c[1]
			if out := client(t, w).Call(context.Background(), a); out.Verdict != sinks.Applied {
				t.Errorf("%+v", out)
			}
			r, body := w.only(t)
			if r.Method != "POST" || r.URL.Path != "/linkedin/v2/assets" || r.URL.RawQuery != "action=registerUpload" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			same(t, "the registration", []byte(body), `{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:`+recipe+`"],
				"owner":"urn:li:person:ABCDEF","serviceRelationships":[]}}`)
		})
	}
}

// registration is the documented answer to one.
func registration(id, uploadURL string) string {
	return `{"value":{"uploadMechanism":{"com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest":{"headers":{},"uploadUrl":"` + uploadURL + `"}},
		"mediaArtifact":"urn:li:digitalmediaMediaArtifact:(urn:li:digitalmediaAsset:` + id + `,urn:li:x)","asset":"urn:li:digitalmediaAsset:` + id + `"}}`
}
