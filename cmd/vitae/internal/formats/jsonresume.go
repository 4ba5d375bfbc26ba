package formats

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"vitae/ledger"
)

// JSONResumeSchema is the schema that a written JSON Resume names and keeps to.
const JSONResumeSchema = "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json"

// The form of https://jsonresume.org/schema (version 1.0.0).
type (
	jsonResume struct {
		Schema       string            `json:"$schema"`
		Basics       jsonBasics        `json:"basics"`
		Work         []jsonWork        `json:"work,omitempty"`
		Volunteer    []jsonVolunteer   `json:"volunteer,omitempty"`
		Education    []jsonEducation   `json:"education,omitempty"`
		Awards       []jsonAward       `json:"awards,omitempty"`
		Certificates []jsonCertificate `json:"certificates,omitempty"`
		Publications []jsonPublication `json:"publications,omitempty"`
		Skills       []jsonSkill       `json:"skills,omitempty"`
		Languages    []jsonLanguage    `json:"languages,omitempty"`
		Interests    []jsonInterest    `json:"interests,omitempty"`
		Projects     []jsonProject     `json:"projects,omitempty"`
		Meta         jsonMeta          `json:"meta"`
	}
	jsonBasics struct {
		Name     string        `json:"name,omitempty"`
		Label    string        `json:"label,omitempty"`
		Email    string        `json:"email,omitempty"`
		Phone    string        `json:"phone,omitempty"`
		URL      string        `json:"url,omitempty"`
		Summary  string        `json:"summary,omitempty"`
		Location *jsonLocation `json:"location,omitempty"`
		Profiles []jsonProfile `json:"profiles,omitempty"`
	}
	jsonLocation struct {
		Address     string `json:"address,omitempty"`
		PostalCode  string `json:"postalCode,omitempty"`
		City        string `json:"city,omitempty"`
		CountryCode string `json:"countryCode,omitempty"`
		Region      string `json:"region,omitempty"`
	}
	jsonProfile struct {
		Network  string `json:"network"`
		Username string `json:"username,omitempty"`
		URL      string `json:"url,omitempty"`
	}
	jsonWork struct {
		Name       string   `json:"name,omitempty"`
		Position   string   `json:"position,omitempty"`
		Location   string   `json:"location,omitempty"`
		StartDate  string   `json:"startDate,omitempty"`
		EndDate    string   `json:"endDate,omitempty"`
		Summary    string   `json:"summary,omitempty"`
		Highlights []string `json:"highlights,omitempty"`
	}
	jsonVolunteer struct {
		Organization string `json:"organization,omitempty"`
		Position     string `json:"position,omitempty"`
		StartDate    string `json:"startDate,omitempty"`
		EndDate      string `json:"endDate,omitempty"`
		Summary      string `json:"summary,omitempty"`
	}
	jsonEducation struct {
		Institution string `json:"institution,omitempty"`
		Area        string `json:"area,omitempty"`
		StudyType   string `json:"studyType,omitempty"`
		StartDate   string `json:"startDate,omitempty"`
		EndDate     string `json:"endDate,omitempty"`
		Score       string `json:"score,omitempty"`
	}
	jsonAward struct {
		Title   string `json:"title,omitempty"`
		Date    string `json:"date,omitempty"`
		Awarder string `json:"awarder,omitempty"`
		Summary string `json:"summary,omitempty"`
	}
	jsonCertificate struct {
		Name   string `json:"name,omitempty"`
		Date   string `json:"date,omitempty"`
		Issuer string `json:"issuer,omitempty"`
		URL    string `json:"url,omitempty"`
	}
	jsonPublication struct {
		Name        string `json:"name,omitempty"`
		Publisher   string `json:"publisher,omitempty"`
		ReleaseDate string `json:"releaseDate,omitempty"`
		URL         string `json:"url,omitempty"`
		Summary     string `json:"summary,omitempty"`
	}
	jsonSkill struct {
		Name  string `json:"name,omitempty"`
		Level string `json:"level,omitempty"`
	}
	jsonLanguage struct {
		Language string `json:"language,omitempty"`
		Fluency  string `json:"fluency,omitempty"`
	}
	jsonInterest struct {
		Name string `json:"name,omitempty"`
	}
	jsonProject struct {
		Name        string `json:"name,omitempty"`
		Description string `json:"description,omitempty"`
		StartDate   string `json:"startDate,omitempty"`
		EndDate     string `json:"endDate,omitempty"`
		URL         string `json:"url,omitempty"`
		Entity      string `json:"entity,omitempty"`
	}
	jsonMeta struct {
		Version      string `json:"version"`
		LastModified string `json:"lastModified"`
	}
)

// jsonCarries is what a JSON Resume has a place for.
var jsonCarries = carries(`firstName lastName displayName jobTitle email phone website summary address postalCode city country province
	linkedIn portfolio twitter github instagram facebook skype telegram phones.number websites.url websites.category websites.label
	workExperiences.company workExperiences.jobTitle workExperiences.location workExperiences.startDate workExperiences.endDate workExperiences.isCurrent
	workExperiences.description workExperiences.responsibilities workExperiences.achievements
	volunteering.organisation volunteering.role volunteering.startDate volunteering.endDate volunteering.description
	educations.school educations.field educations.degree educations.startDate educations.endDate educations.isCurrent educations.grade
	awards.name awards.date awards.organisation awards.description certificates.name certificates.issueDate certificates.issuer certificates.verificationUrl
	publications.name publications.publisher publications.date publications.url publications.description skills.name skills.level
	languages.name languages.proficiency interests.name projects.name projects.description projects.startDate projects.endDate projects.isCurrent projects.url projects.organisation`)

// networks are the scalars that are entries of profiles, under these names.
var networks = []struct{ field, name string }{
	{"linkedIn", "LinkedIn"}, {"portfolio", "Portfolio"}, {"twitter", "Twitter"}, {"github", "GitHub"}, {"instagram", "Instagram"},
	{"facebook", "Facebook"}, {"skype", "Skype"}, {"telegram", "Telegram"},
}

// JSONResume writes a resume in the form of JSON Resume 1.0.0, and names the fields with a
// value that it has no place for. A country that no ISO code is known for, a link that is no URL,
// and phones where there is more than one are among them.
func JSONResume(r *Resume) (out []byte, lost []string, err error) {
	unlinked := map[string]bool{}
	link := func(e map[string]any, field, member string) string {
		to := text(e, member)
		if to != "" && !isURL(to) {
			unlinked[field+"."+member] = true
			return ""
		}
		return to
	}
	location := jsonLocation{r.text("address"), r.text("postalCode"), r.text("city"), ledger.CountryCode(r.text("country")), r.text("province")}
	doc := jsonResume{Schema: JSONResumeSchema,
		Basics: jsonBasics{Name: r.name(), Label: r.text("jobTitle"), Email: r.text("email"), Phone: r.text("phone"), URL: r.text("website"),
			Summary: r.text("summary"), Profiles: jsonProfiles(r)},
		Meta: jsonMeta{Version: "v1.0.0", LastModified: r.Updated.Format("2006-01-02T15:04:05")}}
	if location != (jsonLocation{}) {
		doc.Basics.Location = &location
	}
	for _, e := range r.items("workExperiences") {
		doc.Work = append(doc.Work, jsonWork{text(e, "company"), text(e, "jobTitle"), text(e, "location"), day(e, "startDate"), day(e, "endDate"),
			text(e, "description"), append(texts(e, "responsibilities"), texts(e, "achievements")...)})
	}
	for _, e := range r.items("volunteering") {
		doc.Volunteer = append(doc.Volunteer, jsonVolunteer{text(e, "organisation"), text(e, "role"), day(e, "startDate"), day(e, "endDate"), text(e, "description")})
	}
	for _, e := range r.items("educations") {
		doc.Education = append(doc.Education, jsonEducation{text(e, "school"), text(e, "field"), text(e, "degree"), day(e, "startDate"), day(e, "endDate"), text(e, "grade")})
	}
	for _, e := range r.items("awards") {
		doc.Awards = append(doc.Awards, jsonAward{text(e, "name"), day(e, "date"), text(e, "organisation"), text(e, "description")})
	}
	for _, e := range r.items("certificates") {
		doc.Certificates = append(doc.Certificates, jsonCertificate{text(e, "name"), day(e, "issueDate"), text(e, "issuer"), link(e, "certificates", "verificationUrl")})
	}
	for _, e := range r.items("publications") {
		doc.Publications = append(doc.Publications, jsonPublication{text(e, "name"), text(e, "publisher"), day(e, "date"), link(e, "publications", "url"), text(e, "description")})
	}
	for _, e := range r.items("skills") {
		doc.Skills = append(doc.Skills, jsonSkill{text(e, "name"), title(text(e, "level"))})
	}
	for _, e := range r.items("languages") {
		doc.Languages = append(doc.Languages, jsonLanguage{text(e, "name"), text(e, "proficiency")})
	}
	for _, e := range r.items("interests") {
		doc.Interests = append(doc.Interests, jsonInterest{text(e, "name")})
	}
	for _, e := range r.items("projects") {
		doc.Projects = append(doc.Projects, jsonProject{text(e, "name"), text(e, "description"), day(e, "startDate"), day(e, "endDate"), link(e, "projects", "url"), text(e, "organisation")})
	}
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	w.SetIndent("", "  ")
	if err := w.Encode(doc); err != nil {
		return nil, nil, err
	}
	lost = append(r.lost(jsonCarries), slices.Sorted(maps.Keys(unlinked))...)
	if r.text("country") != "" && location.CountryCode == "" {
		lost = append(lost, "country")
	}
	if len(r.items("phones")) > 1 {
		lost = append(lost, "phones")
	}
	return b.Bytes(), lost, nil
}

// jsonProfiles are the person's places on the web.
func jsonProfiles(r *Resume) (out []jsonProfile) {
	for _, n := range networks {
		v := r.text(n.field)
		switch {
		case v == "":
		case isURL(v):
			out = append(out, jsonProfile{Network: n.name, URL: v})
		default:
			out = append(out, jsonProfile{Network: n.name, Username: v})
		}
	}
	for _, e := range r.items("websites") {
		network := text(e, "label")
		if network == "" {
			network = title(strings.ToLower(text(e, "category")))
		}
		if network == "" {
			network = anyWebsite
		}
		p := jsonProfile{Network: network, URL: text(e, "url")}
		if !isURL(p.URL) {
			p.URL, p.Username = "", p.URL
		}
		out = append(out, p)
	}
	return out
}

// anyWebsite is the network of a website that says nothing of what it is.
const anyWebsite = "Website"

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// title is a word with its first letter large.
func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
