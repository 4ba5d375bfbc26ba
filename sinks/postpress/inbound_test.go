package postpress_test

import (
	"bytes"
	"errors"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"vitae/ledger"
	"vitae/sinks/postpress"
)

const account = "acc_linkedin_01HXYZ4QK3WJ8FN3M6QH7TZ8GR"

// body makes a body as curl does, of "name=text" and "name=@content of a file".
func body(t testing.TB, parts ...string) ([]byte, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		content, isFile := strings.CutPrefix(value, "@")
		var err error
		if isFile {
			out, cerr := w.CreateFormFile(name, "me.jpg")
			if err = cerr; err == nil {
				_, err = out.Write([]byte(content))
			}
		} else {
			err = w.WriteField(name, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), w.Boundary()
}

// form is a body that was parsed, for the account.
func form(t testing.TB, parts ...string) *postpress.Form {
	t.Helper()
	f, err := postpress.ParseForm(body(t, append([]string{"type=LINKEDIN", "account_id=" + account}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// empty is an opened profile that is connected.
func empty() *ledger.Profile {
	p := ledger.NewProfile(ledger.NewProfileID(time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC)))
	p.Seq = 1
	p.Resumes[ledger.Base] = &ledger.Resume{ID: ledger.Base, Fields: map[string]ledger.Cell{}, Collections: map[string]*ledger.Collection{}}
	p.Connections[ledger.PostPress] = ledger.Cell{Seq: 1, Value: ledger.Value(`{"account":"` + account + `","settings":{}}`)}
	return p
}

// TestWhatIsWrongIsNamed: every fault has its place in the form, and no value is repeated.
func TestWhatIsWrongIsNamed(t *testing.T) {
	const secret = "canary"
	for want, parts := range map[string][]string{
		"heading unknown_field":                            {"heading=" + secret},
		"experience[title] unknown_field":                  {"experience[title]=" + secret},
		"education[role] unknown_field":                    {"education[role]=" + secret},
		"headline duplicate":                               {"headline=" + secret, "headline=b"},
		"headline wrong_type":                              {"headline=@" + secret},
		"picture wrong_type":                               {"picture=" + secret},
		"picture empty":                                    {"picture=@"},
		"location wrong_type":                              {"location=" + secret},
		"experience[start_date] wrong_type":                {"experience[start_date]=" + secret},
		"experience[seniority] wrong_type":                 {"experience[seniority]=" + secret},
		"experience[seniority][a][b] wrong_type":           {"experience[seniority][a]=1", "experience[seniority][a][b]=" + secret},
		"experience wrong_type":                            {"experience=" + secret},
		"experience[id] empty":                             {"experience[id]="},
		"skills wrong_type":                                {"skills=Go", "skills=@" + secret},
		"skills[0] unknown_field":                          {"skills[0]=" + secret},
		" unknown_field":                                   {"a b=" + secret},
		"experience[skills unknown_field":                  {"experience[skills=" + secret},
		"skills_follow wrong_type":                         {"skills_follow=yes"},
		"picture_settings[contrast] wrong_type":            {"picture_settings[contrast]=1 "},
		"location[id] required":                            {"location[postal_code]=75014"},
		"location[postal_code] too_long":                   {"location[id]=1", "location[postal_code]=7501"},
		"experience[start_date][month] required":           {"experience[start_date][year]=2019"},
		"experience[start_date][year] required":            {"experience[start_date][month]=1"},
		"education[end_date][month] out_of_range":          {"education[end_date][month]=13", "education[end_date][year]=2019"},
		"education[end_date][year] wrong_type":             {"education[end_date][month]=1", "education[end_date][year]=+201"},
		"education[end_date][year] out_of_range":           {"education[end_date][month]=1", "education[end_date][year]=0"},
		"experience[start_date][month][day] unknown_field": {"experience[start_date][month][day]=1"},
		"open_to_work[job_title] wrong_type":               {"open_to_work[job_title]=" + secret},
		"open_to_work[job_title][id] required":             {"open_to_work[job_title][name]=a"},
		"open_to_work[job_title][name] required":           {"open_to_work[job_title][name]=a", "open_to_work[job_title][id]=1", "open_to_work[job_title][id]=2"},
		"custom_link[url] required":                        {"custom_link[type]=BLOG"},
		"custom_link[type] required":                       {"custom_link[url]=" + secret},
		"type duplicate":                                   {"type=LINKEDIN"},
	} {
		e, err := postpress.Inbound(form(t, parts...), empty())
		var refusal *ledger.Refusal
		if !errors.As(err, &refusal) || len(refusal.Fields) != 1 {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if got := refusal.Fields[0]; got.Pointer+" "+got.Code != want || strings.Contains(got.Message, secret) {
			t.Errorf("%+v, want %s", got, want)
		}
		if e.Patch != nil && want != "type duplicate" || e.Items != nil {
			t.Errorf("%s: %s %v is an edit", want, e.Patch, e.Items)
		}
	}
	f, err := postpress.ParseForm(body(t, "type=INDEED", "account_id="))
	if err != nil {
		t.Fatal(err)
	}
	_, err = postpress.Inbound(f, nil)
	if got := err.Error(); !strings.Contains(got, "type: must be LINKEDIN") || !strings.Contains(got, "account_id: must not be empty") {
		t.Error(got)
	}
}

// TestEveryNameOfThePage: each name that PostPress documents is one here, the two ways are
// each other's, and there is no other.
func TestEveryNameOfThePage(t *testing.T) {
	for name, kind := range postpress.FormFields() {
		if kind == ledger.KindAny {
			name += "[a]"
		}
		if _, err := postpress.Inbound(form(t, name+"=1"), nil); err != nil && strings.Contains(err.Error(), "there is no such field") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for pointer, want := range map[string]string{
		"/headline": "headline", "/postalCode": "location[postal_code]", "/postpress/location/id": "location[id]", "/skills/3/name": "skills", "/website": "custom_link[url]",
		"/postpress/pictureSettings/layout/topLeft/x": "picture_settings[layout][topLeft][x]", "/postpress/openToWork/jobTitle/0/name": "open_to_work[job_title][name]",
		"/postpress/openToWork": "open_to_work", "/nothing": "", "": ""} {
		if got := postpress.NameOf("", pointer); got != want {
			t.Errorf("%q is %q, want %q", pointer, got, want)
		}
	}
	for pointer, want := range map[string]string{"/jobTitle": "experience[role]", "/postpress/attachment/url": "experience[attachment][url]", "/startDate": "experience[start_date]",
		"/postpress/seniority/x": "experience[seniority]", "/id": "experience[id]", "": "experience"} {
		if got := postpress.NameOf("workExperiences", pointer); got != want {
			t.Errorf("%q is %q, want %q", pointer, got, want)
		}
	}
}
