//! Bar charts as SVG, readable on light and on dark ground.

use crate::table::number;

/// What a chart shows. The scale is logarithmic where values differ by orders of magnitude.
pub struct Chart<'a> {
    pub title: &'a str,
    /// What the bars are.
    pub unit: &'a str,
    pub bars: Vec<Bar>,
    pub logarithmic: bool,
    /// Small lines at the foot: date, versions, machine.
    pub foot: &'a [String],
}

pub struct Bar {
    pub name: String,
    pub value: f64,
    pub text: String,
    /// This crate, in a colour of its own.
    pub own: bool,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 64.0;
const STEP: f64 = 26.0;
const LINE: f64 = 15.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-size:16px;font-weight:600}\
.s{font-size:11px;fill:#59636e}.m{text-anchor:middle}.g{stroke:#d1d9e0}.b{fill:#8b949e}.o{fill:#1a7f37}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}.g{stroke:#3d444d}.b{fill:#6e7681}.o{fill:#3fb950}}";

impl Chart<'_> {
    pub fn svg(&self) -> String {
        let bottom = TOP + STEP * self.bars.len() as f64;
        let height = bottom + 40.0 + LINE * self.foot.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"{title}\">\n<style>{STYLE}</style>\n{heading}{unit}",
            title = escape(self.title),
            heading = text(16.0, 26.0, "t", self.title),
            unit = text(16.0, 46.0, "s", self.unit),
        );
        for value in self.ticks() {
            let x = self.place(value);
            svg.push_str(&format!("<line class=\"g\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\n"));
            svg.push_str(&text(x, bottom + 16.0, "s m", &trimmed(value)));
        }
        for (index, bar) in self.bars.iter().enumerate() {
            svg.push_str(&self.bar(bar, TOP + STEP * index as f64));
        }
        for (index, line) in self.foot.iter().enumerate() {
            svg.push_str(&text(16.0, bottom + 40.0 + LINE * index as f64, "s", line));
        }
        svg + "</svg>\n"
    }

    fn bar(&self, bar: &Bar, y: f64) -> String {
        let end = self.place(bar.value).max(LEFT + 1.0);
        let class = if bar.own { "o" } else { "b" };
        format!(
            "{}<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"16\" rx=\"2\"/>\n{}",
            text(16.0, y + 17.0, "n", &bar.name),
            y + 5.0,
            end - LEFT,
            text(end + 6.0, y + 17.0, "n", &bar.text),
        )
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = self.range();
        let part = if self.logarithmic { (value.max(low) / low).log10() / (high / low).log10() } else { value / high };
        LEFT + (WIDTH - LEFT - RIGHT) * part.clamp(0.0, 1.0)
    }

    /// Whole powers of ten around the values, or from nothing to the largest.
    fn range(&self) -> (f64, f64) {
        let values = || self.bars.iter().map(|bar| bar.value).filter(|value| *value > 0.0);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        if self.logarithmic { (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil())) } else { (0.0, high) }
    }

    fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range();
        if !self.logarithmic {
            let power = 10f64.powf(high.log10().floor());
            let step = [0.1, 0.2, 0.5, 1.0].map(|part| part * power).into_iter().find(|step| high / step <= 6.0);
            let step = step.unwrap_or(2.0 * power);
            return (0..=(high / step) as usize).map(|count| count as f64 * step).collect();
        }
        let mut ticks = vec![low];
        while ticks.last().is_some_and(|last| *last < high * 0.99) {
            ticks.push(ticks[ticks.len() - 1] * 10.0);
        }
        ticks
    }
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape(content))
}

/// A number of an axis: no zeros that say nothing.
fn trimmed(value: f64) -> String {
    let text = number(value, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(logarithmic: bool) -> Chart<'static> {
        let bar = |value: f64| Bar { name: "a < b".into(), value, text: "x".into(), own: false };
        Chart { title: "t", unit: "u", bars: vec![bar(0.3), bar(30.0)], logarithmic, foot: &[] }
    }

    #[test]
    fn the_axis_covers_all_bars() {
        assert_eq!(chart(true).ticks().len(), 4);
        assert_eq!(chart(false).ticks(), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert!(chart(true).place(0.3) < chart(true).place(30.0));
    }

    #[test]
    fn names_are_escaped() {
        let svg = chart(true).svg();
        assert!(svg.contains("a &lt; b") && !svg.contains("a < b"));
    }
}
