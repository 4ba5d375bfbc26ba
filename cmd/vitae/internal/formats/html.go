package formats

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
)

//go:embed resume.html
var pageText string

var page = template.Must(template.New("resume").Funcs(template.FuncMap{
	"text": text, "texts": texts, "span": span, "lines": func(s string) []string { return strings.Split(s, "\n") },
	"isURL": isURL, "pending": func(e map[string]any) string {
		if pending, _ := e["pending"].(bool); pending {
			return "pending"
		}
		return ""
	}, "join": func(parts ...string) string {
		var out []string
		for _, p := range parts {
			if p != "" {
				out = append(out, p)
			}
		}
		return strings.Join(out, ", ")
	},
}).Parse(pageText))

// htmlCarries is what the page shows.
var htmlCarries = carries(`firstName lastName displayName headline jobTitle employer sector email phone landline address city postalCode province country summary
	website portfolio linkedIn twitter github instagram facebook skype telegram driverLicense phones.number phones.type websites.url websites.label websites.category
	summaries.title summaries.content workExperiences.company workExperiences.jobTitle workExperiences.location workExperiences.startDate workExperiences.endDate
	workExperiences.isCurrent workExperiences.description workExperiences.responsibilities workExperiences.achievements
	educations.school educations.field educations.degree educations.startDate educations.endDate educations.isCurrent educations.grade educations.activities educations.description
	skills.name skills.level skills.category projects.name projects.description projects.organisation projects.startDate projects.endDate projects.isCurrent projects.url
	certificates.name certificates.issuer certificates.issueDate certificates.expiryDate certificates.credentialId certificates.verificationUrl certificates.description
	awards.name awards.organisation awards.date awards.description publications.name publications.publisher publications.date publications.url publications.description
	volunteering.organisation volunteering.role volunteering.cause volunteering.startDate volunteering.endDate volunteering.description
	languages.name languages.proficiency courses.name courses.number organizations.name organizations.position organizations.startDate organizations.endDate organizations.description
	patents.title patents.issuer patents.number patents.pending patents.issueDate patents.filingDate patents.inventors patents.url patents.description
	testScores.name testScores.score testScores.date testScores.description interests.name interests.description`)

// HTML writes a resume as one page for people: without script, style sheet or image from
// elsewhere, readable without a mouse or eyes, and made to be printed. It names the fields
// with a value that it does not show.
func HTML(r *Resume) (out []byte, lost []string, err error) {
	var b bytes.Buffer
	view := struct {
		Name     string
		Text     func(string) string
		Items    func(string) []map[string]any
		Networks []jsonProfile
	}{r.name(), r.text, r.items, jsonProfiles(r)}
	if err := page.Execute(&b, view); err != nil {
		return nil, nil, err
	}
	return b.Bytes(), r.lost(htmlCarries), nil
}

// span is the time from one member's date to another's.
func span(e map[string]any, from, to string) string {
	begin, end := day(e, from), day(e, to)
	if current, _ := e["isCurrent"].(bool); current && end == "" {
		end = "present"
	}
	switch {
	case begin == "":
		return end
	case end == "":
		return begin
	}
	return begin + " – " + end
}
