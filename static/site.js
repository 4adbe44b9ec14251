// Tells the style sheet that scripts run; without them the menu is simply always open.
document.documentElement.classList.replace("no-js", "js");
