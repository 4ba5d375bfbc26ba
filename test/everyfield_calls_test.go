package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vitae/ledger"
	"vitae/test/harness"
)

// subject is the profile that one edit is tried on.
type subject struct {
	id, account string
	as          *harness.Client // with a key of the profile
}

// call is one request of a dialect.
type call struct {
	method, path string
	body         any
	headers      []string
	status       int
}

func (c call) with(headers ...string) call {
	c.headers = append(slices.Clone(c.headers), headers...)
	return c
}

const (
	lyon     = `"Lyon"`
	aProject = "713a8005-e54d-4ee3-b6a4-89b27167dde6"
	aCustom  = "2788baea-1119-46d9-8e60-af9d6a1268e1"
	enUS     = `"preferredLocale":{"country":"US","language":"en"}`
)

// natives are values of the fields that are no plain texts, as the native API takes them.
var natives = map[string]string{
	"email": `"new@example.org"`, "birthDate": `"1991-02-16"`, "phone": `"+33 7 52 62 61 99"`, "phone.type": "", "linkedIn": `"https://linkedin.com/in/somebody-else"`,
	"country": `"Germany"`, "city": lyon, "website": `"https://new.example.org"`, "portfolio": `"https://work.example.org"`, "postalCode": `"35700"`,
	"summaries":       `[{"title":"Short","content":"Designs."}]`,
	"workExperiences": `[{"jobTitle":"Designer","company":"Acme","startDate":"2021-03","isCurrent":true}]`,
	"educations":      `[{"school":"Rennes 2","degree":"MA","startDate":"2010-09","endDate":"2014-06"}]`,
	"skills":          `[{"name":"Go"}]`,
	"projects":        `[{"name":"Vitae","description":"A ledger."}]`,
	"certificates":    `[{"name":"CKA","issuer":"CNCF"}]`,
	"awards":          `[{"name":"Prize","organisation":"Somebody"}]`,
	"publications":    `[{"name":"Paper","publisher":"ACM"}]`,
	"interests":       `[{"name":"Chess"}]`,
	"jobTitles":       `[{"title":"Engineer"}]`,
	"languages":       `[{"name":"French","proficiency":"NATIVE_OR_BILINGUAL"}]`,
	"courses":         `[{"name":"Logic","number":"101"}]`,
	"patents":         `[{"title":"Wheel","issuer":"us","number":"12","pending":false}]`,
	"organizations":   `[{"name":"IEEE","position":"Member"}]`,
	"testScores":      `[{"name":"TOEFL","score":"110"}]`,
	"volunteering":    `[{"organisation":"Red Cross","role":"Driver","cause":"health"}]`,
	"phones":          `[{"number":"+33 7 52 62 61 99","type":"WORK"}]`,
	"websites":        `[{"url":"https://blog.example.org","category":"BLOG"}]`,

	"linkedin.phoneticFirstName": `"ジェーン"`, "linkedin.phoneticLastName": `"スミス"`,
	"linkedin.vanityName": `"janesmith"`, "linkedin.location.countryCode": `"us"`,
	"linkedin.location.standardizedLocationUrn":                `"urn:li:standardizedLocationKey:(us,94101)"`,
	"linkedin.selectedContactInterests":                        `[{"predefinedInterest":"INVESTING"}]`,
	"linkedin.ims":                                             `{"jane-x":{"id":"jane-x","provider":"SKYPE"}}`,
	"linkedin.imsOrder":                                        `["jane-y","jane-x"]`,
	"linkedin.supportedLocales":                                `[{"country":"US","language":"en"},{"country":"FR","language":"fr"}]`,
	"linkedin.volunteeringInterests.supportedPredefinedCauses": `["health"]`,
	"linkedin.memberRichContents":                              `["urn:li:memberRichContent:(urn:li:person:x,1)"]`,
	"linkedin.industryId":                                      `"urn:li:industry:47"`,
	"linkedin.geoLocation.geo":                                 `"urn:li:geo:123456789"`,

	"postpress.location.id":                            `"105015875"`,
	"postpress.pictureSettings.filter":                 `"STUDIO"`,
	"postpress.pictureSettings.layout.bottomLeft":      `{"x":1.25,"y":1.25}`,
	"postpress.pictureSettings.layout.bottomRight":     `{"x":1.25,"y":1.25}`,
	"postpress.pictureSettings.layout.topLeft":         `{"x":1.25,"y":1.25}`,
	"postpress.pictureSettings.layout.topRight":        `{"x":1.25,"y":1.25}`,
	"postpress.coverPictureSettings.filter":            `"EDGE"`,
	"postpress.openToWork":                             `{"jobTitle":[{"name":"Designer","id":"12"}],"presence":["REMOTE"],"location":{"remote":["105015875"]}}`,
	"postpress.customLink.type":                        `"BLOG"`,
	"postpress.customLink.displayOn":                   `"EVERYWHERE"`,
	"postpress.coverPictureSettings.layout.bottomLeft": `{"x":2,"y":2}`, "postpress.coverPictureSettings.layout.bottomRight": `{"x":2,"y":2}`,
	"postpress.coverPictureSettings.layout.topLeft": `{"x":2,"y":2}`, "postpress.coverPictureSettings.layout.topRight": `{"x":2,"y":2}`,

	"nexudus.billingEmail": `"bills@example.org"`, "nexudus.billingCountryId": `276`,
	"jarvi.projectId": `"` + aProject + `"`, "jarvi.emailAddresses": `["jane@example.org"]`,
}

// native is a value of a field, as the native API takes it; "" when there is none here.
func native(f ledger.Field) string {
	v, listed := natives[f.Name]
	switch {
	case listed:
		return v
	case f.Hidden:
		return ""
	}
	switch f.Kind {
	case ledger.KindText:
		return `"New ` + f.Name + `"`
	case ledger.KindBool:
		return `true`
	case ledger.KindNumber:
		return `0.5`
	}
	return ""
}

// nested puts a value where its field is in a native document.
func nested(name, value string) string {
	object, rest, inner := strings.Cut(name, ".")
	if !inner {
		return fmt.Sprintf(`{%q:%s}`, name, value)
	}
	return fmt.Sprintf(`{%q:%s}`, object, nested(rest, value))
}

func restli(account, rest, body string, status int) call {
	return call{"POST", "/v2/people/(id:" + account + ")" + rest, body, []string{"X-RestLi-Protocol-Version", "2.0.0"}, status}
}

func local(text string) string { return `{"localized":{"en_US":` + text + `},` + enUS + `}` }

// linkedIns are the values of LinkedIn's basic fields, by the catalogue's name, where they are
// no localized texts.
var linkedIns = map[string]string{
	"summary": `"summary":{"localized":{"en_US":{"rawText":"New summary"}},` + enUS + `}`, "birthDate": `"birthDate":{"day":16,"month":2,"year":1991}`,
	"phone":                         `"phoneNumbers":[{"number":"+33 7 52 62 61 99"}]`,
	"phone.type":                    `"phoneNumbers":[{"number":"+33 2 40 49 37 73","type":"HOME"}]`,
	"phones":                        `"phoneNumbers":[{"number":"+33 7 52 62 61 99","type":"WORK"},{"number":"+33 2 40 49 37 73","type":"HOME"}]`,
	"website":                       `"websites":[{"category":"PERSONAL","url":` + local(`"https://new.example.org"`) + `}]`,
	"portfolio":                     `"websites":[{"category":"PORTFOLIO","url":` + local(`"https://work.example.org"`) + `}]`,
	"websites":                      `"websites":[{"category":"BLOG","url":` + local(`"https://blog.example.org"`) + `}]`,
	"linkedin.phoneticFirstName":    `"phoneticFirstName":{"localized":{"ja_JP":"ジェーン"},"preferredLocale":{"country":"JP","language":"ja"}}`,
	"linkedin.phoneticLastName":     `"phoneticLastName":{"localized":{"ja_JP":"スミス"},"preferredLocale":{"country":"JP","language":"ja"}}`,
	"linkedin.vanityName":           `"vanityName":"janesmith"`,
	"linkedin.industryId":           `"industryId":"urn:li:industry:47"`,
	"linkedin.geoLocation.geo":      `"geoLocation":{"geo":"urn:li:geo:123456789"}`,
	"linkedin.location.countryCode": `"location":{"countryCode":"us"}`,
	"linkedin.location.postalCode":  `"location":{"countryCode":"us","postalCode":"94101"}`,
	"linkedin.location.standardizedLocationUrn":                `"location":{"countryCode":"us","standardizedLocationUrn":"urn:li:standardizedLocationKey:(us,94101)"}`,
	"linkedin.selectedContactInterests":                        `"selectedContactInterests":[{"predefinedInterest":"INVESTING"}]`,
	"linkedin.ims":                                             `"ims":{"jane-x":{"id":"jane-x","provider":"SKYPE"}}`,
	"linkedin.imsOrder":                                        `"imsOrder":["jane-y","jane-x"]`,
	"linkedin.supportedLocales":                                `"supportedLocales":[{"country":"US","language":"en"},{"country":"FR","language":"fr"}]`,
	"linkedin.volunteeringInterests.supportedPredefinedCauses": `"volunteeringInterests":{"supportedPredefinedCauses":["health"]}`,
	"linkedin.memberRichContents":                              `"memberRichContents":["urn:li:memberRichContent:(urn:li:person:x,1)"]`,
}

// entries are new entries of LinkedIn's sections; %s is the person.
var entries = map[string]string{
	"certifications":          `{"name":` + local(`"CKA"`) + `,"authority":` + local(`"CNCF"`) + `}`,
	"courses":                 `{"name":` + local(`"Logic"`) + `,"number":"101"}`,
	"educations":              `{"schoolName":` + local(`"Rennes 2"`) + `,"degreeName":` + local(`"MA"`) + `,"startMonthYear":{"year":2010}}`,
	"honors":                  `{"title":` + local(`"Prize"`) + `,"issuer":` + local(`"Somebody"`) + `}`,
	"languages":               `{"name":` + local(`"French"`) + `,"proficiency":"NATIVE_OR_BILINGUAL"}`,
	"organizations":           `{"name":` + local(`"IEEE"`) + `,"position":` + local(`"Member"`) + `}`,
	"patents":                 `{"title":` + local(`"Wheel"`) + `,"issuer":` + local(`"us"`) + `,"pending":false,"inventors":[{"memberId":"urn:li:person:%s"}]}`,
	"positions":               `{"title":` + local(`"Designer"`) + `,"companyName":` + local(`"Acme"`) + `,"startMonthYear":{"month":3,"year":2021}}`,
	"projects":                `{"title":` + local(`"Vitae"`) + `,"description":{"localized":{"en_US":{"rawText":"A ledger."}},` + enUS + `},"members":[{"memberId":"urn:li:person:%s"}]}`,
	"publications":            `{"name":` + local(`"Paper"`) + `,"authors":[{"memberId":"urn:li:person:%s"}]}`,
	"skills":                  `{"name":` + local(`"Go"`) + `}`,
	"testScores":              `{"name":` + local(`"TOEFL"`) + `,"score":"110"}`,
	"volunteeringExperiences": `{"companyName":` + local(`"Red Cross"`) + `,"role":` + local(`"Driver"`) + `,"cause":"health"}`,
}

// forms are the parts of a PostPress form for a field, names and values in turn; a value
// that begins with @ is a file.
var forms = map[string][]string{
	"location[postal_code]": {"location[id]", "103035651", "location[postal_code]", "35700"},
	"location[id]":          {"location[id]", "105015875"},
	"picture":               {"picture", "@a picture"},
	"cover_picture":         {"cover_picture", "@a cover picture"},
	"experience":            {"experience[role]", "Designer", "experience[company]", "Acme", "experience[start_date][month]", "3", "experience[start_date][year]", "2021"},
	"education":             {"education[school]", "Rennes 2", "education[start_date][month]", "9", "education[start_date][year]", "2010"},
	"skills":                {"skills", "Go"},
	"skills_follow":         {"skills_follow", "true"},
	"open_to_work": {"open_to_work[job_title][name]", "Designer", "open_to_work[job_title][id]", "12", "open_to_work[presence]", "REMOTE",
		"open_to_work[location][remote]", "105015875"},
}

// part makes the values of parts whose names follow a pattern.
func parts(field, as string) []string {
	if v, ok := forms[as]; ok {
		return v
	}
	switch {
	case as == "custom_link[url]":
		kind, link := map[string]string{"website": "WEBSITE", "portfolio": "PORTFOLIO", "websites": "BLOG"}[field], "https://new.example.org"
		return []string{"custom_link[type]", kind, as, link}
	case as == "custom_link[type]":
		return []string{as, "BLOG", "custom_link[url]", "https://old.example.org"}
	case as == "custom_link[display_on]":
		return []string{"custom_link[type]", "WEBSITE", "custom_link[url]", "https://old.example.org", as, "EVERYWHERE"}
	case strings.Contains(as, "[layout]"):
		return []string{as + "[x]", "1.25", as + "[y]", "1.25"}
	case strings.HasSuffix(as, "[filter]"):
		return []string{as, "STUDIO"}
	case strings.Contains(as, "_settings["):
		return []string{as, "0.5"}
	case !strings.Contains(as, "["):
		return []string{as, "New " + as}
	}
	return nil
}

// jarvis are values of Jarvi's fields where the name of the field is not value enough.
var jarvis = map[string]string{
	"email": `"emailAddresses":"new@example.org"`, "phone": `"phoneNumbers":"+33752626199"`, "phones": `"phoneNumbers":"+33752626199, +33240493773"`,
	"city": `"location":"Lyon, France"`, "country": `"location":"Rennes, Germany"`, "linkedIn": `"linkedinUrl":"https://linkedin.com/in/somebody-else"`,
	"jarvi.emailAddresses": `"emailAddresses":"jane@example.com, jane@example.org"`,
	"jarvi.projectId":      `"projectId":"` + aProject + `"`, "jarvi.custom.": `"` + aCustom + `":"New"`,
	"jarvi.historyEntries": `"historyEntrySubject":"Interview notes","historyEntryMessage":"They said hello."`,
	"jarvi.resumesFiles":   `"resumesFiles":[{"fileName":"cv.pdf","data":"data:@file/pdf;base64,JVBERi0="}]`,
	"jarvi.files":          `"files":[{"fileName":"m.docx","data":"data:@file/vnd.openxmlformats-officedocument.wordprocessingml.document;base64,UEsDBBQ="}]`,
}

// nexuduses are the same for Nexudus.
var nexuduses = map[string]string{"CountryId": `276`, "PostCode": `"35700"`, "BillingCountryId": `276`, "BillingEmail": `"bills@example.org"`, "DateOfBirth": `"1991-02-16"`,
	"Linkedin": `"https://linkedin.com/in/somebody-else"`, "ProfileWebsite": `"https://new.example.org"`, "ProfileTags": `"Go"`, "MobilePhone": `"+33 7 52 62 61 99"`}

// edits are the requests that edit a field in a dialect; prepare makes what they name, such
// as files. None means that the table has nothing for the field.
func edits(t *testing.T, f ledger.Field, dialect string, h ledger.Home, s subject) []call {
	t.Helper()
	value := native(f)
	if f.Kind == ledger.KindFile && dialect == "native" {
		value = `"` + keptFile(t, s, "picture.png") + `"`
	}
	if f.Name == "jarvi.custom." {
		f.Name, value = f.Name+aCustom, `"New"`
	}
	switch dialect {
	case "native", ledger.Mokaru:
		if section, ok := strings.CutPrefix(h.As, "/"); ok && dialect == ledger.Mokaru {
			var items []json.RawMessage
			if err := json.Unmarshal([]byte(value), &items); err != nil {
				t.Fatal(err)
			}
			return []call{{method: "POST", path: "/" + section, body: []byte(items[0]), status: 201}}
		}
		if value == "" {
			return nil
		}
		return []call{{method: "PATCH", path: "/v1/profile", body: nested(f.Name, value), status: 200}}
	case ledger.LinkedIn:
		return linkedInEdits(t, f, h, s)
	case ledger.PostPress:
		fields := parts(f.Name, h.As)
		if fields == nil {
			return nil
		}
		b, contentType := form(t, append([]string{"type", "LINKEDIN", "account_id", s.account}, fields...)...)
		return []call{{"PATCH", "/api/v1/users/me/edit", b, []string{"Content-Type", contentType}, 200}}
	case ledger.Nexudus:
		v := nexuduses[h.As]
		switch {
		case v != "":
		case f.Kind == ledger.KindBool:
			v = "true"
		default:
			v = `"New ` + h.As + `"`
		}
		return []call{{method: "PATCH", path: "/api/public/coworker/profile", body: fmt.Sprintf(`{%q:%s}`, h.As, v), status: 200}}
	}
	v := jarvis[strings.TrimSuffix(f.Name, aCustom)]
	if v == "" {
		v = fmt.Sprintf(`%q:"New %s"`, h.As, h.As)
	}
	return []call{{method: "POST", path: "/v1/public-api/rest/v2/profiles", body: fmt.Sprintf(`{"externalId":%q,%s}`, s.id, v), status: 201}}
}

// linkedInEdits are those of LinkedIn.
func linkedInEdits(t *testing.T, f ledger.Field, h ledger.Home, s subject) []call {
	t.Helper()
	if f.Kind == ledger.KindFile {
		return linkedInPicture(t, h.As, s)
	}
	if strings.HasSuffix(h.As, "Order") && f.IsList() {
		var got map[string][]struct{ ID json.Number }
		section := strings.TrimSuffix(h.As, "Order")
		var all map[string]json.RawMessage
		s.as.Must(200, get, "/v2/me", nil).Into(t, &all)
		if err := json.Unmarshal([]byte(`{"of":`+string(all[section])+`}`), &got); err != nil || len(got["of"]) != 2 {
			t.Fatalf("%s: %v in %s", section, err, all[section])
		}
		return []call{restli(s.account, "", fmt.Sprintf(`{"patch":{"$set":{%q:[%s,%s]}}}`, h.As, got["of"][1].ID, got["of"][0].ID), 200)}
	}
	if body := entries[h.As]; body != "" {
		return []call{restli(s.account, "/"+h.As, strings.ReplaceAll(body, "%s", s.account), 201)}
	}
	v := linkedIns[f.Name]
	if v == "" && f.Localized {
		v = fmt.Sprintf(`%q:%s`, h.As, local(`"New `+h.As+`"`))
	}
	if v == "" {
		return nil
	}
	return []call{restli(s.account, "", `{"patch":{"$set":{`+v+`}}}`, 200)}
}

// linkedInPicture registers and uploads a picture; the edit is the patch with its two URNs.
func linkedInPicture(t *testing.T, name string, s subject) []call {
	t.Helper()
	recipes := map[string][2]string{"profilePicture": {"profile-originalphoto-image", "profile-displayphoto-image"},
		"backgroundPicture": {"profile-originalbackground-image", "profile-displaybackground-image"}}
	var urns [2]string
	for i, recipe := range recipes[name] {
		var out struct {
			Value struct {
				Asset           string
				UploadMechanism map[string]struct{ UploadURL string }
			}
		}
		s.as.Must(200, http.MethodPost, "/v2/assets?action=registerUpload", fmt.Sprintf(
			`{"registerUploadRequest":{"recipes":["urn:li:digitalmediaRecipe:%s"],"owner":"urn:li:person:%s","serviceRelationships":[]}}`, recipe, s.account)).Into(t, &out)
		at, err := url.Parse(out.Value.UploadMechanism["com.linkedin.digitalmedia.uploading.MediaUploadHttpRequest"].UploadURL)
		if err != nil {
			t.Fatal(err)
		}
		s.as.Must(201, http.MethodPut, at.RequestURI(), []byte("\x89PNG\r\n\x1a\n a picture"), "Content-Type", "image/png")
		urns[i] = out.Value.Asset
	}
	return []call{restli(s.account, "", fmt.Sprintf(`{"patch":{%q:{"$set":{"originalImage":%q,"displayImage":%q}}}}`, name, urns[0], urns[1]), 200)}
}

// keptFile puts a picture with the profile and gives its name.
func keptFile(t *testing.T, s subject, name string) string {
	t.Helper()
	b, contentType := form(t, name, "@a picture")
	file, _ := s.as.Must(201, http.MethodPost, "/v1/files", b, "Content-Type", contentType).Data(t)["file"].(string)
	return file
}
